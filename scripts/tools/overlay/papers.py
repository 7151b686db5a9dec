# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
"""What a pull request says of itself: the newsfragment and the commit message."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What stands for the number of the pull request until there is one: the proposal's issue, AIRFLOW-6440.
PROPOSAL = 6440

# One line, as Airflow's newsfragments of the type "feature" are.
NEWSFRAGMENT = (
    "Add ``FargateExecutor``, which runs each task instance in a container of its own on Amazon ECS with AWS "
    "Fargate. It is configured in the new section ``[fargate]``.\n"
)


@dataclass(frozen=True)
class Message:
    """
    A commit's message, in the form that Airflow's guide for pull requests asks for (https://cbea.ms/git-commit/).

    :param subject: at most 50 characters, in the imperative
    :param body: at most 72 characters a line; says what and why
    """

    subject: str
    body: str


# The title and the beginning of the pull request, whose commits are squashed in the end, and the first of its commits.
CORE = Message(
    "Add FargateExecutor to run tasks on AWS Fargate",
    """\
Run each task instance in a container of its own on Amazon ECS with
AWS Fargate: no workers to keep, no queue to run, and the CPU and
memory that each task asks for.

The scheduler hands launches to a thread that owns them and makes all
calls, so that no heartbeat waits for AWS. Every RunTask carries a
client token and is sent again unchanged after a lost response, so
that no launch gets two containers. A container that never started is
launched again; one that ran decides the task instance, and Airflow's
own retries come after that. A new scheduler adopts the containers of
its predecessor.

The executor is registered as "FargateExecutor" and configured in the
section [fargate].

AIP-29, AIRFLOW-6440
""",
)
LOGS = Message(
    "Show logs of tasks of FargateExecutor",
    """\
The page of a try in the UI shows what its containers have written to
CloudWatch Logs, and the executor's notes, or says why there is nothing
to show. The API server asks AWS itself, within five seconds while the
task runs.
""",
)
COMMANDS = Message(
    "Add commands airflow fargate",
    """\
"render" shows the request for a task, and where each member comes
from; "tasks" and "stop" list the containers of a deployment and stop
some of them.
""",
)
DOCUMENTATION = Message(
    "Document FargateExecutor",
    """\
How to set it up, recipes, what to do about what goes wrong, and who
can see what; an example Dag, and the newsfragment.
""",
)


def newsfragment(folder: str, number: int) -> str:
    """Return the newsfragment's path."""
    return f"{folder}/{number}.feature.rst"


def number_of(path: str) -> int | None:
    """Return the number of the pull request that a path is the newsfragment of, if it is one."""
    found = re.search(r"/(\d+)\.feature\.rst$", path)
    return int(found[1]) if found else None

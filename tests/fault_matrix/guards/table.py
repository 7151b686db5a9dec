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
"""
Faults that cost launches, ten of them the incumbent's, and for each the code that guards against it here.

What is taken out is a piece of text that must be found exactly once: where the code has changed so that it is not
found, that is told, and the table has to follow.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """A piece of text of a file of the package (relative to ``airflow/executors``), and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Guard:
    """
    What guards against a fault.

    :param fault: as the issue's table has it
    :param what: what is taken out, in words
    :param row: the row of the fault matrix that must turn red without it
    """

    fault: str
    what: str
    row: str
    edits: tuple[Edit, ...]


GUARDS = (
    Guard(
        "no response reaches the caller for 25 s",
        "a request that is sent again keeps its clientToken",
        "lost-minute",
        (
            Edit(
                "fargate/fleet/launcher.py",
                "        if run.token is None:\n",
                "        if run.token is None or run.may_have_started:\n",
            ),
        ),
    ),
    Guard(
        "a sidecar exits 1",
        "only the named container is judged",
        "sidecar-early",
        (
            Edit(
                "fargate/aws/answers.py",
                "for one in self.containers if one.name == name)",
                "for one in self.containers)",
            ),
        ),
    ),
    Guard(
        "DescribeTasks says MISSING for the first 2 s",
        "MISSING is given time",
        "missing-at-first",
        (
            Edit(
                "fargate/fleet/watcher.py",
                "        if not self._is_gone(run, missing):\n",
                "        if False:\n",
            ),
        ),
    ),
    Guard(
        "no capacity for a minute",
        "want of capacity uses up no attempt",
        "no-capacity",
        (
            Edit(
                "fargate/aws/outcome.py",
                "verdict = verdict_of(statements) or Verdict.LAUNCH_AGAIN",
                "verdict = Verdict.LAUNCH_AGAIN",
            ),
        ),
    ),
    Guard(
        "an exit code that AWS leaves out",
        "a task that has stopped has ended, whatever is known of it",
        "no-exit-code",
        (
            Edit(
                "fargate/aws/outcome.py",
                "    if not stopped and (container.exit_code is None or",
                "    if (container.exit_code is None or",
            ),
        ),
    ),
    Guard(
        "SIGKILL of the scheduler while it launches",
        "containers are found by what they say themselves of their launch",
        "killed",
        (
            Edit(
                "fargate/fleet/ecs_task_search.py",
                "                    self._steps = [_Step(cluster) for cluster in self.clusters]\n",
                "                    self._steps = []\n",
            ),
        ),
    ),
    Guard(
        "credentials expired for 30 s",
        "refused credentials are no refusal of the launch",
        "credentials-expired",
        (Edit("fargate/aws/classify.py", "    if code in CREDENTIAL_CODES:\n", "    if not code:\n"),),
    ),
    Guard(
        "interruption of Spot, 20 %: before the start",
        "a container that Spot did not let start uses up no attempt",
        "spot-before-start",
        (
            Edit(
                "fargate/aws/outcome.py",
                "verdict = Verdict.FAILED if _stopped_by_user(task) else _verdict_if_nothing_started(statements)",
                "verdict = Verdict.LAUNCH_AGAIN",
            ),
        ),
    ),
    Guard(
        "interruption of Spot, 20 %: after the start",
        "what has started is never launched again",
        "spot-after-start",
        (
            Edit(
                "fargate/fleet/lifecycle.py",
                "run.started, run.prepared = True, None\n",
                "run.started = True\n",
            ),
            Edit(
                "fargate/fleet/lifecycle.py",
                "            self.ended(run, outcome.reason, outcome.ended_at)\n",
                "            self.launcher.nothing_started(run, Outcome(Verdict.LAUNCH_AGAIN, outcome.reason))\n",
            ),
        ),
    ),
    Guard(
        "Spot has no capacity",
        "a launch that finds no capacity goes on with its fallback",
        "spot-no-capacity",
        (
            Edit(
                "fargate/fleet/attempts.py",
                "        if run.prepared.fallback is not None:\n",
                "        if False:\n",
            ),
        ),
    ),
    Guard(
        "overrides over 8192 characters",
        "requests are checked before AWS is asked",
        "overrides-too-large",
        (
            Edit(
                "fargate/request/validation.py",
                "    if size > config.MAX_OVERRIDES:\n",
                "    if False:\n",
            ),
        ),
    ),
    Guard(
        "overrides over 8192 characters",
        "the reason stands in the task's event log",
        "overrides-too-large",
        (
            Edit(
                "fargate/bridge/reporter.py",
                '        self.note(end.launch, end.reason or "", notes.FAILURE)\n',
                "",
            ),
        ),
    ),
    Guard(
        "no credentials at all",
        "without credentials all launches wait, and new ones are looked for",
        "no-credentials",
        (
            Edit(
                "fargate/aws/classify.py",
                "    if any(cls.__name__ in CREDENTIAL_ERRORS for cls in type(error).__mro__):\n",
                "    if False:\n",
            ),
        ),
    ),
    Guard(
        "a wrong executor_config",
        "a request that cannot be made harms its own task alone",
        "wrong-executor-config",
        (
            Edit(
                "fargate/fleet/preparer.py",
                "        elif isinstance(reply.error, RequestError):\n",
                "        elif isinstance(reply.error, RequestError):\n            raise reply.error\n",
            ),
        ),
    ),
    Guard(
        "no capacity in one subnet",
        "what waits for capacity takes no turn of others",
        "others-first",
        (
            Edit(
                "fargate/fleet/capacity_queue.py",
                "        return shortage is not None and size >= shortage.bound\n",
                "        return False\n",
            ),
        ),
    ),
    Guard(
        "a subnet without free addresses",
        "it counts as no capacity, and uses up no attempt",
        "no-addresses",
        (
            Edit(
                "fargate/aws/explanations.py",
                'or add other subnets to [fargate] subnets", NO_CAPACITY)',
                'or add other subnets to [fargate] subnets")',
            ),
        ),
    ),
    Guard(
        "AGENT",
        "it is tried again for two minutes",
        "agent",
        (
            Edit(
                "fargate/aws/explanations.py",
                """    ("AGENT", "", "the agent of the cluster's container instance is not connected", """
                """"Check the ECS agent on the container instances", AWAY),\n""",
                "",
            ),
        ),
    ),
    Guard(
        "STS refuses",
        "an error of the service that issues credentials is none of the launch",
        "sts-refuses",
        (
            Edit(
                "fargate/aws/classify.py",
                "    source = _source_of(error, endpoint_url)\n",
                "    source = None\n",
            ),
        ),
    ),
    Guard(
        "an ECS task is stopped before it has started",
        "whoever stops it means the launch",
        "stopped-before-start",
        (
            Edit(
                "fargate/aws/outcome.py",
                '    return task.stop_code == "UserInitiated" and not _is_spot(task)\n',
                "    return False\n",
            ),
        ),
    ),
    Guard(
        "a function that does not return",
        "each launch that waits for it has a note",
        "hanging-function",
        (
            Edit(
                "fargate/fleet/preparer.py",
                "        if self._since is None or self._clock() < self._since + FUNCTION_PATIENCE:\n",
                "        if True:\n",
            ),
        ),
    ),
)

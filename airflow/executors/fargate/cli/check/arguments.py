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
"""What Airflow's parser needs of ``airflow fargate check``; nothing heavy may be imported here."""

from __future__ import annotations

from airflow.cli import cli_config
from airflow.cli.cli_config import Arg

ARG_RUN = Arg(
    ("--run",), action="store_true", help="Also run one ECS task, which looks around in its container"
)
ARG_QUEUE = Arg(("--queue",), help="With --run: the queue whose request is used")
DESCRIPTION = (
    "Check the options of the section fargate, the credentials, the cluster, the task definition, "
    "the request for a task, and the permissions. Nothing is started, changed or stopped, unless "
    "--run is given: then one ECS task is run to its end with a probe for its command. "
    "Exits with 1 if a check has failed."
)
#: Name, summary, description and arguments.
CHECK = (
    "check",
    "Check the configuration of the FargateExecutor",
    DESCRIPTION,
    (ARG_RUN, ARG_QUEUE, cli_config.ARG_OUTPUT),
)

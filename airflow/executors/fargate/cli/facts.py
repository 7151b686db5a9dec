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
"""What ``airflow fargate check`` asks AWS: calls that start, change and stop nothing."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.cli.account import Answer, ask

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.account import Account
    from airflow.executors.fargate.config import FargateConfig
    from airflow.executors.fargate.request import Prepared

#: No task has this id: AWS draws them at random.
NO_TASK = "0" * 32
#: No container writes to this log stream.
NO_STREAM = "airflow-fargate-check/no-such-stream"


@dataclass(frozen=True)
class Facts:
    """All that the checks look at."""

    region: str
    deployment: str
    #: The request for an example, as RunTask would get it; None where none can be made.
    request: Mapping[str, Any] | None
    #: The container in it that runs the task.
    container: str | None
    #: Why there is no request.
    refusal: str | None
    caller: Answer
    cluster: Answer
    list_tasks: Answer
    describe_tasks: Answer
    #: None where it was not asked, as nothing says which one.
    task_definition: Answer | None
    #: None where the container does not write to CloudWatch, or nobody knows.
    log_events: Answer | None = None
    log_group: Answer | None = None

    @property
    def definition(self) -> Mapping[str, Any]:
        """The task definition; empty where AWS has not told."""
        return (self.task_definition.response.get("taskDefinition") or {}) if self.task_definition else {}

    @property
    def container_definition(self) -> Mapping[str, Any] | None:
        """The container that runs the task, in the task definition; None where it is not there."""
        containers = self.definition.get("containerDefinitions") or ()
        return next((one for one in containers if one.get("name") == self.container), None)

    @property
    def awslogs(self) -> Mapping[str, str] | None:
        """The options of its log driver, where that writes to CloudWatch."""
        log = (self.container_definition or {}).get("logConfiguration") or {}
        return (log.get("options") or {}) if log.get("logDriver") == "awslogs" else None


def gather(account: Account, config: FargateConfig, prepared: Prepared | str) -> Facts:
    """
    Ask AWS, all at once but for the log, whose name the task definition tells.

    :param prepared: the request for an example, or why there is none.
    """
    request, container, refusal = _parts(prepared)
    cluster = (request or {}).get("cluster") or config.cluster
    name = (request or {}).get("taskDefinition") or config.task_definition
    ecs = account.ecs
    calls = {
        "caller": partial(ask, account.client("sts").get_caller_identity),
        "cluster": partial(ask, ecs.describe_clusters, clusters=[cluster]),
        "list_tasks": partial(
            ask, ecs.list_tasks, cluster=cluster, startedBy=config.deployment, maxResults=1
        ),
        "describe_tasks": partial(ask, ecs.describe_tasks, cluster=cluster, tasks=[NO_TASK]),
    }
    if name:
        calls["task_definition"] = partial(ask, ecs.describe_task_definition, taskDefinition=name)
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = {told: pool.submit(call) for told, call in calls.items()}
        answers: dict[str, Any] = {told: future.result() for told, future in futures.items()}
    answers.setdefault("task_definition", None)
    facts = Facts(
        region=account.region,
        deployment=config.deployment,
        request=request,
        container=container or config.container_name,
        refusal=refusal,
        **answers,
    )
    return _with_log(facts, account)


def _parts(prepared: Prepared | str) -> tuple[Mapping[str, Any] | None, str | None, str | None]:
    if isinstance(prepared, str):
        return None, None, prepared
    return prepared.request, prepared.container_name, None


def _with_log(facts: Facts, account: Account) -> Facts:
    options = facts.awslogs or {}
    group = options.get("awslogs-group")
    if not group:
        return facts
    logs = account.client("logs", region=options.get("awslogs-region"))
    return replace(
        facts,
        log_events=ask(logs.get_log_events, logGroupName=group, logStreamName=NO_STREAM, limit=1),
        log_group=ask(logs.describe_log_streams, logGroupName=group, limit=1),
    )

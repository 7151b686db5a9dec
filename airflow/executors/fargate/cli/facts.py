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

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.cli.account import Answer, ask

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.account import Account
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.builder import Prepared

#: No task has this id: AWS draws them at random.
NO_TASK = "0" * 32
#: Calls at once: there can be many queues, and AWS throttles.
MOST_CALLS = 8
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
    #: By cluster: each one that a request or the options name.
    list_tasks: Mapping[str, Answer]
    describe_tasks: Mapping[str, Answer]
    #: None where it was not asked, as nothing says which one.
    task_definition: Answer | None
    #: None where the container does not write to CloudWatch, or nobody knows.
    log_events: Answer | None = None
    log_group: Answer | None = None
    #: The request that takes the other one's place after a capacity failure, and why there is none though one is wanted.
    fallback: Mapping[str, Any] | None = None
    no_fallback: str = ""
    #: The same for the tasks of each queue that the options name.
    queues: Mapping[str, Facts] = field(default_factory=dict)

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


def gather(
    account: Account,
    config: FargateConfig,
    prepared: Prepared | str,
    queues: Mapping[str, Prepared | str] | None = None,
) -> Facts:
    """
    Ask AWS, all at once but for the logs, whose names the task definitions tell.

    :param prepared: the request for an example, or why there is none.
    :param queues: the same for each queue.
    """
    by_queue = queues or {}
    answers = _answers(account, config, [prepared, *by_queue.values()])
    usual = _with_log(_facts(prepared, account, config, answers), account)
    own = {queue: _facts(one, account, config, answers) for queue, one in by_queue.items()}
    return replace(usual, queues={queue: _as_queue(one, usual, account) for queue, one in own.items()})


def _answers(
    account: Account, config: FargateConfig, all_prepared: list[Prepared | str]
) -> dict[tuple[str, str], Answer]:
    """Ask what is to be asked once, and of each cluster and each task definition once."""
    ecs = account.ecs
    calls: dict[tuple[str, str], Callable[[], Any]] = {
        ("caller", ""): account.client("sts").get_caller_identity
    }
    used = dict.fromkeys(_cluster(one, config) for one in all_prepared)
    for cluster in used:
        calls["cluster", cluster] = partial(ecs.describe_clusters, clusters=[cluster])
    # A scheduler that takes over looks in all that the options name, also where nothing is started.
    for cluster in dict.fromkeys([*used, *config.clusters]):
        calls["list", cluster] = partial(
            ecs.list_tasks, cluster=cluster, startedBy=config.deployment, maxResults=1
        )
        calls["describe", cluster] = partial(ecs.describe_tasks, cluster=cluster, tasks=[NO_TASK])
    for definition in filter(None, (_definition(one, config) for one in all_prepared)):
        call = partial(ecs.describe_task_definition, taskDefinition=definition)
        calls["task definition", definition] = call
    with ThreadPoolExecutor(min(len(calls), MOST_CALLS)) as pool:
        return dict(zip(calls, pool.map(ask, calls.values())))


def _of_each(kind: str, answers: Mapping[tuple[str, str], Answer]) -> dict[str, Answer]:
    return {name: answer for (asked, name), answer in answers.items() if asked == kind}


def _facts(
    prepared: Prepared | str,
    account: Account,
    config: FargateConfig,
    answers: Mapping[tuple[str, str], Answer],
) -> Facts:
    """Return the facts for one request, or for the want of it, but for those of its log."""
    made = None if isinstance(prepared, str) else prepared
    return Facts(
        region=account.region,
        deployment=config.deployment,
        request=made.request if made else None,
        container=(made and made.container_name) or config.container_name,
        refusal=prepared if isinstance(prepared, str) else None,
        caller=answers["caller", ""],
        cluster=answers["cluster", _cluster(prepared, config)],
        list_tasks=_of_each("list", answers),
        describe_tasks=_of_each("describe", answers),
        task_definition=answers.get(("task definition", _definition(prepared, config) or "")),
        fallback=made.fallback if made else None,
        no_fallback=made.no_fallback if made else "",
    )


def _cluster(prepared: Prepared | str, config: FargateConfig) -> str:
    return config.cluster if isinstance(prepared, str) else prepared.request.get("cluster") or config.cluster


def _definition(prepared: Prepared | str, config: FargateConfig) -> str | None:
    if isinstance(prepared, str):
        return config.task_definition
    return prepared.request.get("taskDefinition") or config.task_definition


def _as_queue(own: Facts, usual: Facts, account: Account) -> Facts:
    """Return the facts of a queue with those of its log, which is asked for once where it is the usual one."""
    if own.awslogs == usual.awslogs:
        return replace(own, log_events=usual.log_events, log_group=usual.log_group)
    return _with_log(own, account)


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

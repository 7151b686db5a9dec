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
"""The answers of AWS that ``airflow fargate check`` looks at. Its calls only read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.classify import no_credentials
from airflow.executors.fargate.aws.clients import make_client

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.builder import Prepared

#: Attempts of one call. The user is waiting, so they are few.
ATTEMPTS = 3
#: Calls at the same time. There can be many queues, and AWS throttles.
MAX_CALLS = 8
#: The error of a call that was not made.
NO_CREDENTIALS = "NoCredentials"
#: No ECS task has this id: AWS chooses ids at random.
MISSING_ECS_TASK = "0" * 32
#: No container writes to this log stream.
MISSING_LOG_STREAM = "airflow-fargate-check/no-such-stream"


@dataclass(frozen=True)
class Answer:
    """The response to one call, or its error."""

    response: Mapping[str, Any] = field(default_factory=dict)
    #: AWS's error code, or the type of another error; None if there is a response.
    error: str | None = None
    #: The text of the error.
    message: str = ""
    #: What to do if there are no credentials; empty for any other error.
    remedy: str = ""


def ask(call: Callable[..., Mapping[str, Any]], **arguments: Any) -> Answer:
    """Make a call and return its answer; an error of botocore's is an answer too."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return Answer(call(**arguments))
    except (ClientError, BotoCoreError) as error:
        missing = no_credentials(error, _endpoint_url(call))
        if missing is not None:
            return Answer({}, NO_CREDENTIALS, *missing)
        if isinstance(error, BotoCoreError):
            return Answer({}, type(error).__name__, str(error))
        members = error.response.get("Error", {})
        return Answer({}, members.get("Code") or "ClientError", members.get("Message") or "")


def _endpoint_url(call: Callable[..., Any]) -> str | None:
    """Return the endpoint of a client's method or of a partial of it; None if it is not known."""
    client = getattr(getattr(call, "func", call), "__self__", None)
    url = getattr(getattr(client, "meta", None), "endpoint_url", None)
    return url if isinstance(url, str) else None


class Account:
    """
    Makes clients with the executor's credentials, Region and endpoint.

    :param config: the options.
    :param make_session: returns a boto3 session.
    """

    def __init__(self, config: FargateConfig, make_session: Callable[[], Any]) -> None:
        self._config = config
        self._session = make_session()
        self.ecs = self.client("ecs")

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a client; ``[fargate] endpoint_url`` is used for ECS only."""
        return make_client(
            self._session,
            service,
            connections=1,
            region=region,
            endpoint_url=self._config.endpoint_url if service == "ecs" else None,
            attempts=ATTEMPTS,
        )


@dataclass(frozen=True)
class Facts:
    """Everything that the checks look at."""

    region: str
    deployment: str
    #: The request for an example, as RunTask would get it; None if none can be made.
    request: Mapping[str, Any] | None
    #: The name of the main container.
    container: str | None
    #: Why there is no request.
    refusal: str | None
    caller: Answer
    cluster: Answer
    #: By cluster: each one that a request or the options name.
    list_tasks: Mapping[str, Answer]
    describe_tasks: Mapping[str, Answer]
    #: None if no task definition is named.
    task_definition: Answer | None
    #: None if the main container does not write to CloudWatch Logs, or its definition is not known.
    log_events: Answer | None = None
    log_group: Answer | None = None
    #: The request that replaces the other one after a capacity failure.
    fallback: Mapping[str, Any] | None = None
    #: Why there is no fallback although one is configured.
    no_fallback: str = ""
    #: The facts for the tasks of each queue that the options name.
    queues: Mapping[str, Facts] = field(default_factory=dict)

    @property
    def definition(self) -> Mapping[str, Any]:
        """The task definition; empty if AWS did not return it."""
        return (self.task_definition.response.get("taskDefinition") or {}) if self.task_definition else {}

    @property
    def container_definition(self) -> Mapping[str, Any] | None:
        """The main container in the task definition; None if it is not there."""
        containers = self.definition.get("containerDefinitions") or ()
        return next((one for one in containers if one.get("name") == self.container), None)

    @property
    def awslogs(self) -> Mapping[str, str] | None:
        """The options of its log driver, if that is awslogs."""
        log = (self.container_definition or {}).get("logConfiguration") or {}
        return (log.get("options") or {}) if log.get("logDriver") == "awslogs" else None


def gather(
    account: Account,
    config: FargateConfig,
    prepared: Prepared | str,
    queues: Mapping[str, Prepared | str] | None = None,
) -> Facts:
    """
    Make all calls at the same time, except those for logs: the task definitions name the log groups.

    :param prepared: the request for an example, or why there is none.
    :param queues: the same for each queue.
    """
    by_queue = queues or {}
    answers = _ask_all(account, config, [prepared, *by_queue.values()])
    usual = _add_log(_make_facts(prepared, account, config, answers), account)
    own = {queue: _make_facts(one, account, config, answers) for queue, one in by_queue.items()}
    return replace(usual, queues={queue: _add_queue_log(one, usual, account) for queue, one in own.items()})


def _ask_all(
    account: Account, config: FargateConfig, all_prepared: list[Prepared | str]
) -> dict[tuple[str, str], Answer]:
    """Return the answers by call and name; each cluster and each task definition is asked for once."""
    ecs = account.ecs
    calls: dict[tuple[str, str], Callable[[], Any]] = {
        ("caller", ""): account.client("sts").get_caller_identity
    }
    used = dict.fromkeys(_cluster_of(one, config) for one in all_prepared)
    for cluster in used:
        calls["cluster", cluster] = partial(ecs.describe_clusters, clusters=[cluster])
    # Adoption searches all clusters that the options name, also those where nothing is launched.
    for cluster in dict.fromkeys([*used, *config.clusters]):
        calls["list", cluster] = partial(
            ecs.list_tasks, cluster=cluster, startedBy=config.deployment, maxResults=1
        )
        calls["describe", cluster] = partial(ecs.describe_tasks, cluster=cluster, tasks=[MISSING_ECS_TASK])
    for definition in filter(None, (_definition_of(one, config) for one in all_prepared)):
        calls["task definition", definition] = partial(
            ecs.describe_task_definition, taskDefinition=definition
        )
    with ThreadPoolExecutor(min(len(calls), MAX_CALLS)) as pool:
        return dict(zip(calls, pool.map(ask, calls.values())))


def _select(kind: str, answers: Mapping[tuple[str, str], Answer]) -> dict[str, Answer]:
    return {name: answer for (asked, name), answer in answers.items() if asked == kind}


def _make_facts(
    prepared: Prepared | str,
    account: Account,
    config: FargateConfig,
    answers: Mapping[tuple[str, str], Answer],
) -> Facts:
    """Return the facts for one request, or for the reason that there is none, without those of its log."""
    made = None if isinstance(prepared, str) else prepared
    return Facts(
        region=account.ecs.meta.region_name,
        deployment=config.deployment,
        request=made.request if made else None,
        container=(made and made.container_name) or config.container_name,
        refusal=prepared if isinstance(prepared, str) else None,
        caller=answers["caller", ""],
        cluster=answers["cluster", _cluster_of(prepared, config)],
        list_tasks=_select("list", answers),
        describe_tasks=_select("describe", answers),
        task_definition=answers.get(("task definition", _definition_of(prepared, config) or "")),
        fallback=made.fallback if made else None,
        no_fallback=made.no_fallback if made else "",
    )


def _cluster_of(prepared: Prepared | str, config: FargateConfig) -> str:
    return config.cluster if isinstance(prepared, str) else prepared.request.get("cluster") or config.cluster


def _definition_of(prepared: Prepared | str, config: FargateConfig) -> str | None:
    if isinstance(prepared, str):
        return config.task_definition
    return prepared.request.get("taskDefinition") or config.task_definition


def _add_queue_log(own: Facts, usual: Facts, account: Account) -> Facts:
    """Return the facts of a queue with those of its log; the usual log is not asked for again."""
    if own.awslogs == usual.awslogs:
        return replace(own, log_events=usual.log_events, log_group=usual.log_group)
    return _add_log(own, account)


def _add_log(facts: Facts, account: Account) -> Facts:
    options = facts.awslogs or {}
    group = options.get("awslogs-group")
    if not group:
        return facts
    logs = account.client("logs", region=options.get("awslogs-region"))
    return replace(
        facts,
        log_events=ask(logs.get_log_events, logGroupName=group, logStreamName=MISSING_LOG_STREAM, limit=1),
        log_group=ask(logs.describe_log_streams, logGroupName=group, limit=1),
    )

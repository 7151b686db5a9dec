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
"""The answers of AWS that ``airflow fargate check`` looks at. All calls are read-only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.executors.fargate.aws import capacity
from airflow.executors.fargate.cli.asking import NO_ANSWER, Account, Answer, ask
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import Launch, TaskInstanceId
from airflow.executors.fargate.request.builder import Prepared, RequestBuilder

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.check.airflow_facts import AirflowFacts
    from airflow.executors.fargate.cli.check.questions import Question
    from airflow.executors.fargate.config.config import FargateConfig

#: The task instance of the example for which a request is made.
EXAMPLE = TaskInstanceId("example_dag", "example_task", "example_run", 1)
#: Its command. That of Airflow 3.x has some 1,100 characters.
EXAMPLE_COMMAND = ("airflow", "tasks", "run", "example_dag", "example_task", "example_run", "--local")

#: The domains of AWS's own endpoints in all partitions, VPC endpoints included.
#: https://docs.aws.amazon.com/general/latest/gr/rande.html
OF_AWS = re.compile(
    r"\.(amazonaws\.(com(\.cn)?|eu)|amazonwebservices\.(com\.cn|eu)|(api|on)\.aws|aws\.scloud|ic\.gov|sgov\.gov|adc-e\.uk)\.?$"
)

#: Calls at the same time. There can be many queues, and AWS throttles.
MAX_CALLS = 8
#: No ECS task has this id: AWS chooses ids at random.
MISSING_ECS_TASK = "0" * 32
#: No container writes to this log stream.
MISSING_LOG_STREAM = "airflow-fargate-check/no-such-stream"


def is_of_aws(url: str) -> bool:
    """Tell whether a URL is that of an endpoint of AWS's own."""
    return bool(OF_AWS.search(urlsplit(url).hostname or ""))


@dataclass(frozen=True)
class Facts:
    """Everything that the checks look at."""

    region: str
    #: The request for an example, as RunTask would get it; empty if none can be made.
    request: Mapping[str, Any]
    #: The name of the main container; empty if it is not known.
    container: str
    #: Why there is no request; empty if there is one.
    refusal: str
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
    #: The request after a capacity failure.
    fallback: Mapping[str, Any] | None = None
    #: Why there is no fallback although one is configured.
    no_fallback: str = ""
    #: The facts for the tasks of each queue that the options name.
    queues: Mapping[str, Facts] = field(default_factory=dict)
    #: Those whose request has started an ECS task; None if there was none.
    started: Facts | None = None
    #: What the services beside ECS say; the same for all queues.
    answers: Mapping[Question, Answer] = field(default_factory=dict)
    #: By service: the URL at which it was asked.
    endpoints: Mapping[str, str] = field(default_factory=dict)
    #: None if it was not read.
    airflow: AirflowFacts | None = None

    def is_elsewhere(self, service: str) -> bool:
        """Tell whether a service was asked at AWS itself, although ECS was not."""
        ecs, own = (self.endpoints.get(name, "") for name in ("ecs", service))
        return bool(ecs and own) and is_of_aws(own) and not is_of_aws(ecs)

    @property
    def account_id(self) -> str:
        """The account of the credentials; empty if it is not known."""
        return str(self.caller.response.get("Account") or "")

    @property
    def overrides(self) -> Mapping[str, Any]:
        """What the request overrides in the task definition."""
        return self.request.get("overrides") or {}

    @property
    def definition(self) -> Mapping[str, Any]:
        """The task definition; empty if AWS did not return it."""
        return (self.task_definition.response.get("taskDefinition") or {}) if self.task_definition else {}

    def role(self, name: str) -> str | None:
        """Return the role ``taskRoleArn`` or ``executionRoleArn`` of the ECS task; None if there is none."""
        return self.overrides.get(name) or self.definition.get(name)

    @property
    def containers(self) -> Sequence[Mapping[str, Any]]:
        """All containers in the task definition; empty if AWS did not return it."""
        return self.definition.get("containerDefinitions") or ()

    @property
    def container_definition(self) -> Mapping[str, Any] | None:
        """The main container in the task definition; None if it is not there."""
        return next((one for one in self.containers if one.get("name") == self.container), None)

    @property
    def environment(self) -> Mapping[str, str | None]:
        """The main container's environment, as far as it is known; None for the value of a secret."""
        container = self.container_definition or {}
        overrides = self.overrides.get("containerOverrides") or ()
        found: dict[str, str | None] = {str(one["name"]): None for one in container.get("secrets") or ()}
        for each in (container, *(one for one in overrides if one.get("name") == self.container)):
            found.update({str(one.get("name")): one.get("value") for one in each.get("environment") or ()})
        return found

    @property
    def network(self) -> Mapping[str, Any]:
        """The network configuration of the request; empty if it has none."""
        return (self.request.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}

    @property
    def awslogs(self) -> Mapping[str, str] | None:
        """The options of the main container's log driver; None if that is not awslogs."""
        log = (self.container_definition or {}).get("logConfiguration") or {}
        return (log.get("options") or {}) if log.get("logDriver") == "awslogs" else None

    @property
    def cluster_description(self) -> Mapping[str, Any]:
        """The cluster; empty if AWS did not return it."""
        return next(iter(self.cluster.response.get("clusters") or ()), {})

    @property
    def default_strategy(self) -> Mapping[str, Any]:
        """The cluster's default strategy, as in a request; it decides if a request names no capacity."""
        return {"capacityProviderStrategy": self.cluster_description.get("defaultCapacityProviderStrategy")}

    @property
    def on_fargate(self) -> bool | None:
        """Whether the example runs on Fargate; None if an unknown default strategy decides."""
        by_request = capacity.on_fargate(self.request)
        return capacity.on_fargate(self.default_strategy) if by_request is None else by_request


def gather(account: Account, config: FargateConfig, build: RequestBuilder) -> Facts:
    """
    Make the requests for an example without a queue and in each queue, and all calls that they need.

    The calls are made at the same time, except those for logs: the task definitions name the log groups. Each
    cluster, task definition and log is asked for once.
    """
    examples = [_make_example(build, queue, config) for queue in (None, *config.queues)]
    defaults = {"cluster": config.cluster, "taskDefinition": config.task_definition}
    requests = [{**defaults, **made.request} for made, _ in examples]
    answers = _ask_all(account, config, requests)
    ask_log = cache(partial(_ask_log, account))
    all_facts = []
    for (made, refusal), request in zip(examples, requests):
        facts = Facts(
            region=account.ecs.meta.region_name,
            request=made.request,
            container=made.container_name,
            refusal=refusal,
            caller=answers["caller"][""],
            cluster=answers["cluster"][request["cluster"]],
            list_tasks=answers["list"],
            describe_tasks=answers["describe"],
            task_definition=answers["definition"].get(request["taskDefinition"]),
            fallback=made.fallback,
            no_fallback=made.no_fallback,
        )
        options = facts.awslogs or {}
        events, group = ask_log(options.get("awslogs-group"), options.get("awslogs-region"))
        all_facts.append(replace(facts, log_events=events, log_group=group))
    return replace(all_facts[0], queues=dict(zip(config.queues, all_facts[1:])))


def _make_example(build: RequestBuilder, queue: str | None, config: FargateConfig) -> tuple[Prepared, str]:
    """Return the request for an example in a queue; or an empty one, and why there is none."""
    try:
        return build(Launch(EXAMPLE, EXAMPLE, EXAMPLE_COMMAND, queue=queue)), ""
    except RequestError as error:
        return Prepared({}, config.container_name or ""), str(error)


def _ask_all(
    account: Account, config: FargateConfig, requests: list[dict[str, Any]]
) -> dict[str, dict[str, Answer]]:
    """Return the answers by kind and name."""
    ecs = account.ecs
    clusters = dict.fromkeys(one["cluster"] for one in requests)
    # Adoption searches all clusters that the options name, also those where nothing is launched.
    searched = dict.fromkeys([*clusters, *config.clusters])
    families = dict.fromkeys(one["taskDefinition"] for one in requests if one["taskDefinition"])
    of_deployment, missing = {"startedBy": config.deployment, "maxResults": 1}, [MISSING_ECS_TASK]
    with ThreadPoolExecutor(MAX_CALLS) as pool:
        start: Callable[..., Any] = lambda call, **arguments: pool.submit(ask, call, **arguments)
        calls = {
            "caller": {"": start(account.client("sts").get_caller_identity)},
            "cluster": {one: start(ecs.describe_clusters, clusters=[one]) for one in clusters},
            "list": {one: start(ecs.list_tasks, cluster=one, **of_deployment) for one in searched},
            "describe": {one: start(ecs.describe_tasks, cluster=one, tasks=missing) for one in searched},
            "definition": {one: start(ecs.describe_task_definition, taskDefinition=one) for one in families},
        }
    return {kind: {name: call.result() for name, call in some.items()} for kind, some in calls.items()}


def _ask_log(account: Account, group: str | None, region: str | None) -> tuple[Answer | None, Answer | None]:
    """Return what AWS says of a log stream that does not exist, and of the log group; None if there is none."""
    if not group:
        return None, None
    logs = account.client("logs", region=region)
    events = ask(logs.get_log_events, logGroupName=group, logStreamName=MISSING_LOG_STREAM, limit=1)
    if events.error == NO_ANSWER:
        return events, events
    return events, ask(logs.describe_log_streams, logGroupName=group, limit=1)

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
"""The calls of ``airflow fargate check``, answered by moto, and their errors."""

from __future__ import annotations

import json
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from airflow.executors.fargate.cli.asking import NO_ANSWER, Account, Answer, ask
from airflow.executors.fargate.cli.check.checks import FAILED, check_cluster, check_permissions, rows_of
from airflow.executors.fargate.cli.check.definition_checks import check_log, check_task_definition
from airflow.executors.fargate.cli.check.facts import gather
from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.request.builder import Prepared

CHECKS = (check_cluster, check_task_definition, check_log, check_permissions)
LOG = {
    "logDriver": "awslogs",
    "options": {"awslogs-group": "/ecs/airflow", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "x"},
}


@pytest.fixture
def make_session(moto_aws):
    """Return a function that makes a boto3 session on moto."""
    return lambda: boto3.session.Session(region_name="us-east-1")


@pytest.fixture
def account(make_session, read_config):
    return Account(read_config(), make_session)


@pytest.fixture
def create(make_session):
    """Return a function that creates a cluster, a log group and a task definition that pass all checks."""

    def _create(**members):
        session = make_session()
        session.client("ecs").create_cluster(clusterName="fleet")
        session.client("logs", region_name="eu-west-1").create_log_group(logGroupName="/ecs/airflow")
        definition = {
            "family": "airflow-task",
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "containerDefinitions": [{"name": "airflow", "image": "x", "logConfiguration": LOG}],
        }
        session.client("ecs").register_task_definition(**{**definition, **members})

    return _create


def prepared(**members):
    request = {"cluster": "fleet", "taskDefinition": "airflow-task", "launchType": "FARGATE", "overrides": {}}
    changed = {name: value for name, value in {**request, **members}.items() if value is not None}
    return Prepared(changed, "airflow")


def builder(of_all, **by_queue):
    """Return what makes requests: this one, others for queues, or an error with this text."""

    def build(launch):
        made = by_queue.get(launch.queue, of_all)
        if isinstance(made, str):
            raise RequestError(made)
        return made

    return build


def test_what_there_is_is_found(account, create, read_config):
    """Cluster, task definition and the log group in its own Region are found, and no check fails."""
    create()
    facts = gather(account, read_config(), builder(prepared()))
    assert facts.region == "us-east-1"
    assert facts.caller.response["Arn"].startswith("arn:aws:sts::")
    assert facts.definition["family"] == "airflow-task"
    assert facts.awslogs == LOG["options"]
    assert facts.log_group.error is None
    assert [row for row in rows_of(facts, CHECKS) if row.result == FAILED] == []


def test_each_queue_is_asked_for(account, create, read_config, make_session):
    """A queue may name another task definition and another cluster; each one is asked for once."""
    create()
    ecs = make_session().client("ecs")
    ecs.create_cluster(clusterName="gpus", capacityProviders=["FARGATE"])
    ecs.register_task_definition(
        family="gpu", containerDefinitions=[{"name": "airflow", "image": "x", "memory": 64}]
    )
    asked = []
    account.ecs.meta.events.register(
        "before-call", lambda model, params, **_: asked.append((model.name, json.loads(params["body"])))
    )
    queues = {
        "gpu": prepared(taskDefinition="gpu", cluster="gpus"),
        "same": prepared(),
        "wrong": "it sets count",
        "none": prepared(taskDefinition="no-such-family"),
    }
    config = read_config(task_definition="airflow-task", queues=json.dumps(dict.fromkeys(queues, {})))
    facts = gather(account, config, builder(prepared(), **queues))
    assert facts.queues["gpu"].definition["family"] == "gpu"
    assert facts.queues["gpu"].cluster.response["clusters"][0]["clusterName"] == "gpus"
    assert facts.queues["same"].definition == facts.definition
    assert facts.queues["wrong"].refusal == "it sets count"
    assert facts.queues["none"].task_definition.error
    names = [members["taskDefinition"] for name, members in asked if name == "DescribeTaskDefinition"]
    assert sorted(names) == ["airflow-task", "gpu", "no-such-family"]
    clusters = [members["clusters"] for name, members in asked if name == "DescribeClusters"]
    assert sorted(clusters) == [["fleet"], ["gpus"]]
    for call in ("ListTasks", "DescribeTasks"):
        assert sorted(members["cluster"] for name, members in asked if name == call) == ["fleet", "gpus"]


def test_each_cluster_that_the_options_name_is_listed(account, create, read_config):
    """Also the one in which nothing is launched: adoption searches it."""
    create()
    config = read_config(cluster="old", run_task_kwargs='{"cluster": "fleet"}')
    facts = gather(account, config, builder(prepared()))
    assert {name: answer.error for name, answer in facts.list_tasks.items()} == {
        "fleet": None,
        "old": "ClusterNotFoundException",
    }
    rows = {row.check: row for row in rows_of(facts, CHECKS)}
    assert rows["cluster"].result == "ok"
    assert "(cluster old)" in rows["ecs:ListTasks"].found


def test_the_default_strategy_of_a_cluster_is_read(account, create, read_config, make_session):
    """It decides where an ECS task without a launch type runs."""
    create()
    make_session().client("ecs").put_cluster_capacity_providers(
        cluster="fleet",
        capacityProviders=["FARGATE"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
    )
    facts = gather(account, read_config(), builder(prepared(launchType=None)))
    [row] = [row for row in rows_of(facts, CHECKS) if row.check == "launch type"]
    assert (row.result, row.found[:25]) == ("ok", "FARGATE, by the cluster's")


def test_what_is_missing_is_missing(account, read_config):
    """In an empty account cluster and task definition fail, and no permission is shown as refused."""
    facts = gather(account, read_config(), builder(prepared()))
    failed = {row.check for row in rows_of(facts, CHECKS) if row.result == FAILED}
    assert failed == {"cluster", "task definition"}


def test_logs_that_do_not_answer_are_asked_once(account, create, read_config, monkeypatch):
    """A second call would take as long as the first one, and say the same."""
    create()
    calls, make_client = [], account.client

    def is_silent(**arguments):
        calls.append(arguments)
        raise EndpointConnectionError(endpoint_url="https://logs.test")

    logs = SimpleNamespace(get_log_events=is_silent, describe_log_streams=is_silent)
    monkeypatch.setattr(
        account, "client", lambda name, **own: logs if name == "logs" else make_client(name, **own)
    )
    facts = gather(account, read_config(), builder(prepared()))
    assert len(calls) == 1
    assert (facts.log_events.error, facts.log_group.error) == (NO_ANSWER, NO_ANSWER)


def test_a_log_group_that_is_missing(account, create, read_config, make_session):
    """A missing log group of the main container is found."""
    create()
    make_session().client("logs", region_name="eu-west-1").delete_log_group(logGroupName="/ecs/airflow")
    rows = rows_of(gather(account, read_config(), builder(prepared())), CHECKS)
    assert {row.check for row in rows if row.result == FAILED} == {"log"}


@pytest.mark.parametrize(
    ("prepared_", "cluster", "name"),
    [
        (prepared(cluster="other", taskDefinition="own:2"), "other", "own:2"),
        (prepared(cluster=None, taskDefinition=None), "fleet", "airflow-task:3"),
        ("the function raised", "fleet", "airflow-task:3"),
    ],
)
def test_the_request_says_what_is_asked_for(account, read_config, prepared_, cluster, name):
    """The request names cluster and task definition; without one, the options do."""
    asked = []
    for operation in ("DescribeClusters", "DescribeTaskDefinition", "ListTasks", "DescribeTasks"):
        account.ecs.meta.events.register(
            f"provide-client-params.ecs.{operation}", lambda params, **_: asked.append(params)
        )
    facts = gather(account, read_config(), builder(prepared_))
    assert {"clusters": [cluster]} in asked
    assert {"taskDefinition": name} in asked
    assert {"cluster": cluster, "startedBy": "airflow", "maxResults": 1} in asked
    assert list(facts.list_tasks) == list(facts.describe_tasks) == list(dict.fromkeys([cluster, "fleet"]))
    assert {"cluster": cluster, "tasks": ["0" * 32]} in asked
    assert facts.refusal == (prepared_ if isinstance(prepared_, str) else "")


def test_nothing_names_a_task_definition(account, read_config):
    """If neither request nor options name one, there is no call for it."""
    config = read_config(task_definition=None, execution_config_function="json.dumps")
    facts = gather(account, config, builder("no"))
    assert facts.task_definition is None


def test_only_calls_that_change_nothing_are_made(create, read_config, make_session, monkeypatch):
    """Every call is a Describe, List or Get."""
    create()
    calls = []
    session = make_session()
    make_client = session.client

    def watched(*args, **kwargs):
        client = make_client(*args, **kwargs)
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
        return client

    monkeypatch.setattr(session, "client", watched)
    gather(Account(read_config(), lambda: session), read_config(), builder(prepared()))
    assert sorted(calls) == [
        "DescribeClusters",
        "DescribeLogStreams",
        "DescribeTaskDefinition",
        "DescribeTasks",
        "GetCallerIdentity",
        "GetLogEvents",
        "ListTasks",
    ]


def test_no_secret_is_among_the_facts(account, create, read_config):
    """The secret key is nowhere in the facts."""
    create()
    facts = gather(account, read_config(), builder(prepared()))
    assert "testing-secret" not in json.dumps(facts.caller.response, default=str) + repr(facts)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("AccessDeniedException", "not authorized", Answer({}, "AccessDeniedException", "not authorized")),
        ("", "", Answer({}, "ClientError", "")),
        ("502", "<html>", Answer({}, "502", "HTTP status 502, without an error code")),
    ],
)
def test_an_error_of_aws_is_an_answer(account, code, message, expected):
    """Its code and its text are kept."""
    with Stubber(account.ecs) as stub:
        stub.add_client_error("describe_clusters", code, message)
        assert ask(account.ecs.describe_clusters) == expected


def test_an_error_of_the_connection_is_an_answer():
    """Its type takes the place of the code."""

    def call():
        raise ReadTimeoutError(endpoint_url="https://ecs")  # Its response is None.

    answer = ask(call)
    assert (answer.error, answer.response) == (NO_ANSWER, {})
    assert str(answer) == 'ReadTimeoutError: Read timeout on endpoint URL: "https://ecs"'


def test_an_answer_that_is_none_of_aws_s():
    """Such as a proxy's page, which is not repeated."""

    def call():
        raise ResponseParserError("no XML: <html>")

    assert str(ask(call)) == "ResponseParserError: this is no answer of AWS"


def test_an_answer_with_other_types_than_aws_documents(account):
    """botocore's parser raises what Python does."""

    def answer(**_):
        return AWSResponse(
            "http://aws", 200, {}, SimpleNamespace(stream=lambda **_: iter([b'{"clusters": 5}']))
        )

    account.ecs.meta.events.register("before-send.ecs.DescribeClusters", answer)
    assert str(ask(account.ecs.describe_clusters)) == "TypeError: this is no answer of AWS"


@pytest.mark.parametrize("kind", [ReadTimeoutError, EndpointConnectionError])
def test_no_password_of_an_endpoint_is_shown(kind):
    """A URL can have a user and a password, and botocore's errors repeat it."""

    def call():
        raise kind(endpoint_url="http://me:secret@127.0.0.1:5000/", error="")

    assert '"http://127.0.0.1:5000/"' in str(ask(call))


def test_any_other_error_is_raised():
    """An error that is not botocore's is a bug."""
    with pytest.raises(ZeroDivisionError):
        ask(lambda: 1 / 0)


@pytest.mark.parametrize(("service", "own"), [("ecs", True), ("sts", False)])
def test_the_endpoint_is_that_of_ecs_alone(make_session, read_config, service, own):
    """``[fargate] endpoint_url`` is the endpoint of ECS; botocore knows the others."""
    account = Account(read_config(endpoint_url="http://127.0.0.1:1"), make_session)
    assert (account.client(service).meta.endpoint_url == "http://127.0.0.1:1") is own

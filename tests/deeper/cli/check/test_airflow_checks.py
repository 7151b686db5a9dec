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
"""The checks of Airflow's own options: the executor, the address that containers ask, and where logs are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.asking import Answer
from airflow.executors.fargate.cli.check.address_checks import address_questions, check_address
from airflow.executors.fargate.cli.check.airflow_checks import (
    OUR_LOGGING,
    check_executor,
    check_remote_logging,
)
from airflow.executors.fargate.cli.check.airflow_facts import (
    CLASS,
    AirflowFacts,
    read_airflow,
    why_not_fargate,
)
from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, OK, UNKNOWN
from airflow.executors.fargate.cli.check.questions import NOT_RESOLVED, host_question, question

from tests.deeper.cli.check.test_checks import DENIED, GOOD, REQUEST, container

KNOWS_NAME = pytest.mark.skipif(
    bool(why_not_fargate("FargateExecutor", None)), reason="this Airflow needs the module path"
)


@pytest.mark.parametrize(
    ("executor", "team", "reason"),
    [
        pytest.param("FargateExecutor", None, "", marks=KNOWS_NAME),
        (CLASS, None, ""),
        (f"LocalExecutor, {CLASS}", None, ""),
        (f"LocalExecutor,far:{CLASS}", None, ""),
        (f"LocalExecutor;blue={CLASS}", "blue", ""),
        (f"LocalExecutor;blue={CLASS}", None, "LocalExecutor is another executor"),
        (f"{CLASS};blue=LocalExecutor", "blue", "LocalExecutor is another executor"),
        (f"{CLASS};blue=LocalExecutor", "red", "the team red has no executor"),
        ("LocalExecutor", None, "LocalExecutor is another executor"),
        ("no.such.module.FargateExecutor", None, "no.such.module.FargateExecutor cannot be imported: ModuleNotFoundError"),
        ("collections.OrderedDict", None, "collections.OrderedDict is another executor"),
        ("LocalExecutor,CeleryExecutor", None, "LocalExecutor is another executor; CeleryExecutor is another executor"),
    ],
)  # fmt: skip
def test_the_executor_is_named(executor, team, reason):
    """By its name or its module path, with an alias, among others and for a team."""
    assert why_not_fargate(executor, team) == reason


def test_a_name_that_airflow_does_not_know(monkeypatch):
    """Without a place in Airflow's own list the module path is needed."""
    monkeypatch.setattr("airflow.executors.fargate.cli.check.airflow_facts.ExecutorLoader.executors", {})
    assert f"write {CLASS}" in why_not_fargate("FargateExecutor", None)


def test_the_options_are_read(monkeypatch):
    """As Airflow reads them; a database's password is not among what is shown."""
    for name, value in {
        "CORE__EXECUTOR": CLASS,
        "CORE__EXECUTION_API_SERVER_URL": "http://api:8080/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": "postgresql://me:secret@db/airflow",
        "LOGGING__REMOTE_LOGGING": "True",
        "LOGGING__REMOTE_BASE_LOG_FOLDER": "s3://logs/airflow",
    }.items():
        monkeypatch.setenv(f"AIRFLOW__{name}", value)
    facts = read_airflow()
    assert (facts.executor, facts.not_fargate, facts.api_url) == (CLASS, "", "http://api:8080/execution/")
    assert (facts.remote_logging, facts.log_folder) == (True, "s3://logs/airflow")
    assert "secret" not in repr(facts)
    assert bool(facts.database_url) is not facts.has_api


@pytest.mark.parametrize(("reason", "result"), [("", OK), ("x is another executor", FAILED)])
def test_executor(reason, result):
    [row] = check_executor(replace(GOOD, airflow=AirflowFacts(executor="x", not_fargate=reason)))
    assert (row.result, reason in row.found) == (result, True)


def address(
    own=(), airflow=None, addresses=("10.0.0.3",), ecs="https://ecs.us-east-1.amazonaws.com", **members
):
    """Return facts of a container with this environment; each host has these addresses."""
    environment = [{"name": f"AIRFLOW__{name}", "value": value} for name, value in dict(own).items()]
    facts = container(environment=environment, **members)
    facts = replace(facts, airflow=airflow or AirflowFacts(), endpoints={"ecs": ecs}, answers={})
    found = Answer({"addresses": list(addresses)}) if addresses else Answer(error=NOT_RESOLVED)
    return replace(facts, answers=dict.fromkeys(address_questions(facts), found))


def api(url, **more):
    return address({"CORE__EXECUTION_API_SERVER_URL": url}, **more)


def database(url, **more):
    return address({"DATABASE__SQL_ALCHEMY_CONN": url} if url else {}, AirflowFacts(has_api=False), **more)


def overridden(url):
    """Return facts whose request overrides the address of the task definition."""
    own = [{"name": "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "value": url}]
    overrides = {"containerOverrides": [{"name": "proxy"}, {"name": "airflow", "environment": own}]}
    return replace(api("http://api:80/execution/"), request={**REQUEST, "overrides": overrides})


URL = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
SECRET = {"secrets": [{"name": URL, "valueFrom": "x"}]}


@pytest.mark.parametrize(
    ("facts", "result", "found"),
    [
        (api("http://api.test:8080/execution/"), OK, f"http://api.test:8080/execution/, {URL} of the container: 10.0.0.3"),
        (api("https://me:secret@api.test/execution"), OK, "https://api.test/execution, "),
        (api("http://api.test/"), ADVICE, "does not end in /execution/"),
        (api("http://api.test/execution/", addresses=()), UNKNOWN, "does not resolve here"),
        (api("http://api.test/execution/", addresses=("127.0.1.1",)), FAILED, "127.0.1.1"),
        (api("http://localhost:8080/execution/"), FAILED, "the container itself"),
        (api("http://127.0.0.2/execution/"), FAILED, "the container itself"),
        (api("http://[::1]:80/execution/"), FAILED, "the container itself"),
        (api("http://0.0.0.0:8080/execution/"), FAILED, "the container itself"),
        (api("http://localhost/execution/", ecs="http://127.0.0.1:5000"), ADVICE, "ECS is at this machine, too"),
        (api("/execution/"), FAILED, "has no host"),
        (api("http://api:x/execution/"), FAILED, "has no host"),
        (api("http://me:a@secret@api.test/execution/"), FAILED, "has no host"),
        (api("http://[fd00::1]:8080/execution/", addresses=("fd00::1",)), OK, "http://[fd00::1]:8080/execution/, "),
        (overridden("http://localhost/execution/"), FAILED, "the container itself"),
        (address({"API__BASE_URL": "https://api.test/a/"}), OK, "https://api.test/a/execution/, AIRFLOW__API__BASE_URL"),
        (address({"API__BASE_URL": "/a"}), FAILED, "nothing that can be looked at sets it"),
        (address({"CORE__EXECUTION_API_SERVER_URL_CMD": "get"}), UNKNOWN, "not looked at"),
        (address(**SECRET), UNKNOWN, f"not looked at: {URL} of the container has it"),
        (address(environmentFiles=[{"value": "x"}]), UNKNOWN, "environmentFiles"),
        (address(), FAILED, "a container asks localhost"),
        (address(airflow=AirflowFacts(base_url="http://localhost:8080")), FAILED, "[api] base_url here"),
        (address(airflow=AirflowFacts(base_url="/")), FAILED, "nothing that can be looked at"),
        (address(airflow=AirflowFacts(api_url="http://api.test/execution/")), UNKNOWN, "image has the same is not known"),
        (database("postgresql+psycopg2://me:secret@db.test:5432/airflow?password=secret"), OK, "postgresql+psycopg2://db.test:5432/airflow, "),
        (database("postgresql://me:secret@localhost/airflow"), FAILED, "the container itself"),
        (database("postgresql+psycopg2:///airflow?host=%2Frun%2Fpostgres&user=me"), FAILED, "the container itself"),
        (database("sqlite:////airflow.db"), FAILED, "has no host"),
        (database("secret"), FAILED, "has no host"),
        (database("postgresql://me:a@secret@db.test/airflow"), FAILED, "has no host"),
        (database(""), FAILED, "a database of its own"),
    ],
)  # fmt: skip
def test_address(facts, result, found):
    """The container's own is right if it has another machine's host; no password is shown."""
    [row] = check_address(facts)
    assert row.result == result
    assert found in row.found
    assert "secret" not in row.found
    assert bool(row.remedy) == (result != OK)
    assert row.check == ("execution API" if facts.airflow.has_api else "database")


def test_a_host_of_the_machine_is_not_looked_up():
    """Nor is anything without a container."""
    assert list(address_questions(api("http://localhost/execution/"))) == []
    assert list(address_questions(api("http://api.test/execution/"))) == [host_question("api.test")]
    assert list(check_address(replace(api("http://a/"), container="other"))) == []


def logs(folder="", there="", answer=None, **options):
    """Return facts with a folder for logs here, and with one in the container."""
    facts = container(environment=[{"name": "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER", "value": there}])
    airflow = AirflowFacts(remote_logging=bool(folder), log_folder=folder, **options)
    return replace(
        facts, airflow=airflow, answers={question("s3", "HeadBucket", Bucket="b"): answer or Answer()}
    )


BUCKET, READING = "remote logging", "logs of ended tasks"
MISSING, FORBIDDEN = Answer(error="404"), Answer(error="403", message="HTTP status 403")


@pytest.mark.parametrize(
    ("facts", "check", "result", "found", "remedy"),
    [
        (logs(), READING, ADVICE, "only while it runs", OUR_LOGGING),
        (logs(logging_config_class=OUR_LOGGING), READING, OK, "CloudWatch", ""),
        (logs(logging_config_class="my.CONFIG"), READING, UNKNOWN, "my.CONFIG", OUR_LOGGING),
        (logs("fargate://"), BUCKET, FAILED, "does not start with it", OUR_LOGGING),
        (logs(there="fargate://"), BUCKET, FAILED, "of the container: Airflow", OUR_LOGGING),
        (logs("s3://b/airflow"), READING, OK, "s3://b/airflow", ""),
        (logs("s3://b/airflow"), BUCKET, OK, "the bucket exists", ""),
        (logs("s3://b/airflow", answer=MISSING), BUCKET, FAILED, "there is no bucket b", "Create it"),
        (logs("s3://b/airflow", answer=FORBIDDEN), BUCKET, UNKNOWN, "HTTP status 403", "Allow s3:ListBucket"),
        (logs("s3://b/airflow", answer=DENIED), BUCKET, UNKNOWN, "not authorized", "Allow s3:ListBucket"),
        (logs("gs://b/airflow"), BUCKET, UNKNOWN, "only S3 is", "--run"),
        (logs(there="s3://b/airflow", answer=MISSING), BUCKET, FAILED, "of the container", "Create it"),
        (logs(there="s3://b/airflow"), READING, ADVICE, "only while it runs", OUR_LOGGING),
        (logs("s3://b/one", there="s3://b/two"), READING, ADVICE, "containers write to s3://b/two", "the same"),
    ],
)  # fmt: skip
def test_remote_logging(facts, check, result, found, remedy):
    """A bucket exists, and somebody reads what containers have written."""
    row = {row.check: row for row in check_remote_logging(facts)}[check]
    assert row.result == result
    assert found in row.found
    assert remedy in row.remedy
    assert bool(row.remedy) == (result != OK)

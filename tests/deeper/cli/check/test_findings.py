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
from __future__ import annotations

import pytest

from airflow.executors.fargate.aws.usage import Usage
from airflow.executors.fargate.cli.check import probe
from airflow.executors.fargate.cli.check.findings import (
    ENTRY_POINT,
    phases,
    rows_of_exit_code,
    rows_of_findings,
)

SCHEDULER = "3.4.1"


def row(name, architecture="", **found):
    """Return the row of that name for what was found, beside what is always there."""
    always = {"python": "3.12.4", "machine": "x86_64", "airflow": SCHEDULER}
    (one,) = (
        r for r in rows_of_findings({**always, **found}, SCHEDULER, architecture) if r.check == f"run: {name}"
    )
    return one


@pytest.mark.parametrize(
    ("found", "result", "words"),
    [
        ({"airflow": "3.4.1"}, "ok", "as the scheduler"),
        ({"airflow": "3.4.0"}, "advice", "the scheduler has 3.4.1"),
        ({"airflow": "3.40.1"}, "failed", "3.40.1; the scheduler has 3.4.1"),
        ({"airflow": None, "error": "ImportError: no"}, "failed", "cannot be imported: ImportError: no"),
    ],
)
def test_the_version(found, result, words):
    """Another minor version fails; within one it is advice."""
    one = row("Airflow", **found)
    assert (one.result, words in one.found) == (result, True)


@pytest.mark.parametrize(
    ("machine", "architecture", "result"),
    [
        ("x86_64", "x86_64", "ok"),
        ("aarch64", "arm64", "ok"),
        ("AMD64", "x86_64", "ok"),
        ("x86_64", "", "ok"),
        ("x86_64", "arm64", "failed"),
    ],
)
def test_the_architecture(machine, architecture, result):
    """Linux and AWS name ARM differently, as do Windows and AWS x86; an emulated one is not the one that is paid for."""
    assert row("architecture", architecture, machine=machine).result == result


@pytest.mark.parametrize(
    ("there", "named", "result"), [(True, True, "ok"), (False, True, "failed"), (False, False, "ok")]
)
def test_the_executor(there, named, result):
    """An image needs it only if its own configuration names it."""
    assert row("executor", executor={"there": there, "named": named}).result == result


@pytest.mark.parametrize(
    ("api", "result", "words", "remedy"),
    [
        ({"status": 200}, "ok", "answers in 0.1 s", ""),
        ({"status": 404}, "advice", "HTTP status 404", "/execution/ by default"),
        ({"status": 502}, "failed", "HTTP status 502", "API server runs"),
        ({"error": "gaierror: [Errno -2] Name or service not known"}, "failed", "name cannot be resolved", "DNS"),
        ({"error": "SSLCertVerificationError: self-signed"}, "failed", "TLS fails", "[api] ssl_cert"),
        ({"error": "timeout: timed out"}, "failed", "no answer in time", "security groups"),
        ({"error": "TimeoutError: timed out"}, "failed", "no answer in time", "security groups"),
        ({"error": "ConnectionRefusedError: [Errno 111]"}, "failed", "the connection fails", "listens"),
        ({"error": "OSError: [Errno 101] Network is unreachable"}, "failed", "the connection fails", "routes"),
        ({"error": "InvalidURL: "}, "failed", "cannot be used (InvalidURL)", "configuration of the container"),
        ({"address": "http://localhost:8080/", "error": "ConnectionRefusedError: "}, "failed", "", "EXECUTION_API_SERVER_URL"),
        ({"address": "http://localhost.example:8080/", "error": "ConnectionRefusedError: "}, "failed", "", "listens"),
    ],
)  # fmt: skip
def test_the_execution_api(api, result, words, remedy):
    """Each step of a connection has a remedy of its own; a container's localhost is the container."""
    one = row("execution API", api={"address": "http://api/execution/", "seconds": 0.1, **api})
    assert (one.result, words in one.found, remedy in one.remedy) == (result, True, True), one


def test_the_database():
    """It is connected to, and no login is tried."""
    assert (
        row("metadata database", database={"address": "db:5432", "status": None, "seconds": 0.1}).result
        == "ok"
    )
    assert row("metadata database", database={"error": "ValueError: "}).found.startswith("no address: ")


@pytest.mark.parametrize(
    ("bundle", "result", "words"),
    [
        ({"path": "/dags", "files": 3}, "ok", "/dags has 3 files"),
        ({"path": "/dags", "files": 1}, "ok", "/dags has 1 file"),
        ({"path": "/dags", "files": probe.MAX_FILES + 1}, "ok", f"{probe.MAX_FILES + 1} or more files"),
        ({"path": "/dags", "files": 0}, "failed", "/dags has 0 files"),
        ({"path": "/dags", "files": None}, "failed", "/dags is not a folder"),
        ({"class": "GitDagBundle"}, "not tested", "GitDagBundle is in the image; it was not fetched"),
        ({"class": "GitDagBundle", "error": "no git"}, "failed", "GitDagBundle: no git"),
    ],
)
def test_a_dag_bundle(bundle, result, words):
    """What was not fetched was not tested."""
    one = row("Dags repo", bundles=[{"name": "repo", **bundle}])
    assert (one.result, one.found.endswith(words)) == (result, True)


@pytest.mark.parametrize("bundles", [[], {"error": "JSONDecodeError: "}])
def test_no_dag_bundle(bundles):
    """A configuration without one, or one that cannot be read, fails."""
    assert row("Dags", bundles=bundles).result == "failed"


@pytest.mark.parametrize(
    ("remote_log", "result"),
    [
        ({"address": "s3://logs"}, "ok"),
        ({"address": "s3://logs", "error": "ClientError: AccessDenied"}, "failed"),
        ({"address": "s3://logs", "left": "ClientError: AccessDenied"}, "advice"),
        ({"address": "gs://logs", "untested": True}, "not tested"),
        ({"address": "fargate://", "untested": True}, "failed"),
    ],
)
def test_the_remote_log(remote_log, result):
    """What was not looked at is no success."""
    assert row("remote log", remote_log=remote_log).result == result


@pytest.mark.parametrize(
    ("code", "failed", "ok"),
    [
        (64, [], ["Airflow", "execution API", "Dags"]),
        (65, ["Airflow"], []),
        (66, ["Airflow"], ["execution API", "Dags"]),
        (68, ["execution API"], ["Airflow", "Dags"]),
        (72, ["Dags"], ["Airflow", "execution API"]),
        (80, ["remote log"], ["Airflow", "execution API", "Dags"]),
        (94, ["Airflow", "execution API", "Dags", "remote log"], []),
    ],
)
def test_an_exit_code(code, failed, ok):
    """It says of each finding whether it is wrong; without Airflow nothing else was looked at."""
    rows = list(rows_of_exit_code(code))
    by_result = {
        result: [one.check[5:] for one in rows if one.result == result] for result in ("failed", "ok")
    }
    assert by_result == {"failed": failed, "ok": ok}


def test_exit_code_0_is_not_the_probes():
    """So nothing is known of what it would have found."""
    rows = {one.check[5:]: (one.result, one.remedy) for one in rows_of_exit_code(0)}
    assert rows == dict.fromkeys(["Airflow", "execution API", "Dags"], ("not tested", ENTRY_POINT))


def test_phases_that_aws_does_not_tell():
    """They are left out, as in an ECS task that never started."""
    assert [one["phase"] for one in phases(Usage(), 0.5)] == ["accepted"]
    never_started = Usage(created=1000.0, pull_started=1010.0, stopped=1020.0)
    assert [one["phase"] for one in phases(never_started, 0.5)] == ["accepted", "provisioned"]

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

import json
import signal
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from airflow.executors.fargate.cli.check import check_run, probe, trial
from airflow.executors.fargate.cli.check.check_run import LOG_PATIENCE, check_by_running
from airflow.executors.fargate.cli.check.facts import EXAMPLE
from airflow.executors.fargate.launch import IDENTITY_VARIABLE
from airflow.executors.fargate.request.builder import RequestBuilder, default_request

ARN = "arn:aws:ecs:us-east-1:123456789012:task/fleet/0a"
CREATED = datetime(2026, 3, 1, tzinfo=timezone.utc)
#: Seconds after createdAt.
TIMES = {
    "createdAt": 0,
    "pullStartedAt": 10,
    "pullStoppedAt": 37,
    "startedAt": 41,
    "executionStoppedAt": 46,
    "stoppedAt": 60,
}
LOG = {
    "logDriver": "awslogs",
    "options": {
        "awslogs-group": "/ecs/airflow",
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ecs",
    },
}
FINDINGS = {
    "python": "3.12.4",
    "machine": "aarch64",
    "airflow": check_run.version,
    "executor": {"there": False, "named": False},
    "api": {"address": "http://api:8080/execution/", "status": 200, "seconds": 0.012},
    "bundles": [{"name": "dags-folder", "class": "LocalDagBundle", "path": "/opt/airflow/dags", "files": 3}],
    "remote_log": {},
}
NO_API = {
    "address": "http://api:8080/execution/",
    "error": "gaierror: [Errno -2] Name or service not known",
    "seconds": 0.1,
}
OPERATIONS = {"run_task": "RunTask", "describe_tasks": "DescribeTasks", "stop_task": "StopTask"}
NO_PYTHON = (
    "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: "
    'exec: "python": executable file not found in $PATH'
)
NO_IMAGE = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref: not found"
NO_CAPACITY = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)


def refused(operation, code="AccessDeniedException"):
    return ClientError({"Error": {"Code": code, "Message": f"may not {operation}"}}, operation)


class Aws:
    """ECS with one ECS task that goes through its states, and CloudWatch Logs with its lines; time passes by sleeping."""

    def __init__(self):
        self.meta = SimpleNamespace(endpoint_url="https://ecs.test", method_to_api_mapping=OPERATIONS)
        self.now = 0.0
        self.requests, self.stopped, self.regions = [], [], []
        #: What each call raises, once or always.
        self.errors = {}
        self.failures = []
        #: Seconds at which the ECS task is RUNNING and STOPPED.
        self.runs_at, self.stops_at = 41, 60
        self.exit_code, self.reason, self.stop_code = probe.LOOKED, "", "EssentialContainerExited"
        self.sidecar = []
        self.log = LOG
        #: Seconds at which they arrive, and the lines.
        self.arrive_at, self.lines = 62, ["Airflow says something", probe.MARKER + json.dumps(FINDINGS)]

    def sleep(self, seconds):
        self.now += seconds

    def client(self, service, region=None):
        self.regions.append((service, region))
        return self

    @property
    def ecs(self):
        return self

    def _raise(self, name):
        error = self.errors.get(name)
        if isinstance(error, list):
            error = error.pop(0) if error else None
        if error:
            raise error

    def run_task(self, **request):
        self.requests.append(request)
        self._raise("run_task")
        self.now += 0.5
        return {
            "tasks": [] if self.failures else [{"taskArn": ARN, "lastStatus": "PROVISIONING"}],
            "failures": self.failures,
        }

    def describe_tasks(self, cluster, tasks):
        assert (cluster, tasks) == ("fleet", [ARN])
        self._raise("describe_tasks")
        status = (
            "PROVISIONING"
            if self.now < self.runs_at
            else "RUNNING"
            if self.now < self.stops_at
            else "STOPPED"
        )
        main = {"name": "airflow", "lastStatus": status}
        task = {
            "taskArn": ARN,
            "lastStatus": status,
            "desiredStatus": status,
            "containers": [main, *self.sidecar],
        }
        task["taskDefinitionArn"] = "arn:aws:ecs:us-east-1:123456789012:task-definition/airflow-task:3"
        task["attributes"] = [{"name": "ecs.cpu-architecture", "value": "arm64"}]
        times = {name: CREATED + timedelta(seconds=at) for name, at in TIMES.items() if at <= self.now}
        if status == "STOPPED":
            task.update(
                times,
                stopCode=self.stop_code,
                stoppedReason=self.reason or "Essential container in task exited",
            )
            if self.reason:
                task.pop("startedAt", None)
                main["reason"] = self.reason
            else:
                main["exitCode"] = self.exit_code
        elif self.sidecar and self.now > self.runs_at:
            task.update(times)
            main.update(lastStatus="STOPPED", exitCode=self.exit_code)
            self.stops_at = self.now if self.stopped else 1e9
        return {"tasks": [task], "failures": []}

    def stop_task(self, cluster, task, reason):
        self.stopped.append((cluster, task, reason))
        self._raise("stop_task")

    def describe_task_definition(self, taskDefinition):
        return {
            "taskDefinition": {"containerDefinitions": [{"name": "airflow", "logConfiguration": self.log}]}
        }

    def get_log_events(self, logGroupName, logStreamName, **_):
        assert (logGroupName, logStreamName) == ("/ecs/airflow", "ecs/airflow/0a")
        self._raise("get_log_events")
        if self.now < self.arrive_at:
            raise refused("GetLogEvents", "ResourceNotFoundException")
        return {"events": [{"timestamp": 1, "message": line} for line in self.lines]}


@pytest.fixture
def aws():
    return Aws()


@pytest.fixture
def run(aws, read_config):
    """Return a function that runs the trial, and returns its rows by name, what it said, and the phases."""

    def _run(queue=None, **options):
        config = read_config(**options)
        config = replace(config, command_to_request=partial(default_request, config))
        said = []
        rows, phases = check_by_running(
            aws, config, RequestBuilder(config), queue, said.append, lambda: aws.now, aws.sleep
        )
        return {row.check: row for row in rows}, said, phases

    return _run


STOPPED = [("fleet", ARN, trial.STOP_REASON)]


def test_all_is_well(run, aws):
    """Each finding is a row, the phases add up, what happens is told, and nothing is stopped: the ECS task has ended."""
    rows, said, phases = run()
    assert {row.result for row in rows.values()} == {"ok"}
    assert list(rows) == [
        "run: ECS task",
        *(
            f"run: {name}"
            for name in ("Airflow", "Python", "architecture", "executor", "execution API", "Dags dags-folder")
        ),
    ]
    assert rows["run: Airflow"].found == f"{check_run.version}, as the scheduler"
    assert rows["run: execution API"].found == "http://api:8080/execution/ answers in 0.012 s"
    assert [one.split()[-1] for one in said] == ["PROVISIONING", "RUNNING", "STOPPED"]
    assert [(one["phase"], one["seconds"], one["since_run_task"]) for one in phases] == [
        ("accepted", "0.5", "0.5"),
        ("provisioned", "10.0", "10.5"),
        ("image pulled", "27.0", "37.5"),
        ("started", "4.0", "41.5"),
        ("ran", "5.0", "46.5"),
        ("stopped", "14.0", "60.5"),
    ]
    assert aws.stopped == []


@pytest.mark.parametrize(
    ("queue", "definition"), [(None, "airflow-task:3"), ("gpu", "gpu:1"), ("typo", "airflow-task:3")]
)
def test_the_request_is_the_executors_own(run, aws, queue, definition):
    """But for what would make the executor or ``airflow fargate tasks`` take the ECS task for one of theirs."""
    own = {"overrides": {"containerOverrides": [{"environment": [{"name": "STAGE", "value": "x"}]}]}}
    rows, *_ = run(queue, run_task_kwargs=json.dumps(own), queues='{"gpu": {"taskDefinition": "gpu:1"}}')
    (request,) = aws.requests
    (container,) = request["overrides"]["containerOverrides"]
    assert request["taskDefinition"] == definition
    assert request["startedBy"].startswith("airflow-fargate-check/")
    assert container["environment"] == [{"name": "STAGE", "value": "x"}]
    assert IDENTITY_VARIABLE not in json.dumps(request)
    assert {"key": "airflow:dag_id", "value": EXAMPLE.dag_id} in request["tags"]
    assert container["command"][:2] == ["python", "-c"]
    assert ("run: queue" in rows) is (queue == "typo")


@pytest.mark.parametrize(
    ("change", "check", "result", "words"),
    [
        ({"lines": [probe.MARKER + json.dumps({**FINDINGS, "api": NO_API})], "exit_code": 68}, "run: execution API", "failed", "its name cannot be resolved"),
        ({"exit_code": 68, "log": {"logDriver": "splunk"}}, "run: execution API", "failed", "by the exit code, 68"),
        ({"exit_code": 68, "log": {"logDriver": "splunk"}}, "run: log", "not tested", "logs through splunk"),
        ({"log": {}}, "run: Dags", "ok", "no problem, by the exit code, 64"),
        ({"exit_code": 0}, "run: Dags dags-folder", "ok", "3 files"),
        ({"exit_code": 0, "log": {}}, "run: log", "not tested", "0, is not the probe's"),
        ({"exit_code": 0, "log": {}}, "run: Dags", "not tested", "not looked at"),
        ({"exit_code": 63}, "run: ECS task", "failed", "exited with code 63"),
        ({"exit_code": 96}, "run: ECS task", "failed", "exited with code 96"),
        ({"exit_code": 65, "errors": {"get_log_events": refused("GetLogEvents")}}, "run: Airflow", "failed", "cannot be imported"),
        ({"exit_code": 74, "errors": {"get_log_events": refused("GetLogEvents")}}, "run: Airflow", "failed", "another version"),
        ({"errors": {"get_log_events": refused("GetLogEvents")}}, "run: log", "not tested", "GetLogEvents is not allowed"),
        ({"arrive_at": 1e9}, "run: log", "failed", "there is no log stream"),
        ({"exit_code": 0, "lines": ["no line of the probe", f"+ MARKER = '{probe.MARKER}'"]}, "run: log", "failed", "is not in the log, 30 s after exit code 0"),
        ({"errors": {"get_log_events": refused("GetLogEvents", "ThrottlingException")}}, "run: Airflow", "ok", "by the exit code, 64"),
        ({"reason": NO_PYTHON, "stop_code": "TaskFailedToStart", "runs_at": 60}, "run: ECS task", "failed", '"python": executable file not found'),
        ({"reason": NO_IMAGE, "stop_code": "TaskFailedToStart", "runs_at": 60}, "run: ECS task", "failed", "There is no such image"),
        ({"exit_code": 1}, "run: ECS task", "failed", "exited with code 1"),
        ({"exit_code": 127}, "run: ECS task", "failed", "The command was not found"),
        ({"errors": {"run_task": refused("RunTask")}}, "run: ECS task", "failed", "may not RunTask"),
        ({"errors": {"run_task": ReadTimeoutError(endpoint_url="https://ecs.test")}}, "run: ECS task", "failed", "it ends by itself"),
        ({"errors": {"run_task": TypeError("'int' object is not iterable")}}, "run: ECS task", "failed", "it ends by itself"),
        ({"failures": [{"reason": NO_CAPACITY}]}, "run: ECS task", "failed", "Capacity is unavailable"),
    ],
)  # fmt: skip
def test_what_can_be_wrong(run, aws, change, check, result, words):
    """Each is a row with the reason; the ECS task has ended or was never started, so nothing is stopped."""
    vars(aws).update(change)
    rows, *_ = run()
    assert (rows[check].result, words in rows[check].found) == (result, True), rows[check]
    assert aws.stopped == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stops_at": 1e9}, "has not ended within 600 s: it is RUNNING"),
        ({"runs_at": 1e9, "stops_at": 1e9}, "it is PROVISIONING"),
        ({"errors": {"describe_tasks": refused("DescribeTasks")}}, "ecs:DescribeTasks has failed"),
        ({"errors": {"describe_tasks": refused("DescribeTasks", "ThrottlingException")}}, "not known to DescribeTasks"),
    ],
)  # fmt: skip
def test_what_does_not_end_is_stopped(run, aws, change, words):
    """After the time limit, or if it cannot be followed; the row says so."""
    vars(aws).update(change)
    rows, *_ = run()
    assert (rows["run: ECS task"].result, words in rows["run: ECS task"].found) == ("failed", True)
    assert "The ECS task of the check was stopped. ECS task 0a: https://" in rows["run: ECS task"].found
    assert aws.stopped == STOPPED


def test_what_cannot_be_stopped_is_said(run, aws):
    """With where it is."""
    vars(aws).update(stops_at=1e9, errors={"stop_task": refused("StopTask")})
    found = run()[0]["run: ECS task"].found
    assert (
        "could not be stopped (AccessDeniedException: may not StopTask): stop it yourself. ECS task 0a"
        in found
    )


def test_for_a_while_describe_tasks_fails(run, aws):
    """An error that can pass is waited for."""
    aws.errors = {"describe_tasks": [refused("DescribeTasks", "ThrottlingException")] * 3}
    assert run()[0]["run: ECS task"].result == "ok"


@pytest.mark.parametrize(("call", "requests"), [("describe_tasks", 1), ("run_task", 2)])
def test_an_interruption_stops_the_ecs_task(run, aws, call, requests):
    """Also one that RunTask may have started: with the same token AWS returns it."""
    aws.errors = {call: [KeyboardInterrupt()]}
    with pytest.raises(KeyboardInterrupt):
        run()
    assert aws.stopped == STOPPED
    assert len(aws.requests) == requests
    assert len({request["clientToken"] for request in aws.requests}) == 1


def test_a_container_that_goes_on_is_stopped(run, aws):
    """If the main container is not essential, the others would run for ever."""
    aws.sidecar = [{"name": "proxy", "lastStatus": "RUNNING"}]
    rows, *_ = run()
    assert rows["run: ECS task"].result == "ok"
    assert aws.stopped == STOPPED


def test_what_never_started_has_no_log(run, aws):
    """It is not asked for."""
    vars(aws).update(reason=NO_IMAGE, stop_code="TaskFailedToStart", runs_at=60)
    rows, *_ = run()
    assert list(rows) == ["run: ECS task"]
    assert aws.regions == []


def test_what_a_container_said_before_it_failed(run, aws):
    """Its last line is shown, without tokens."""
    vars(aws).update(
        exit_code=1, lines=["Traceback", "SyntaxError: eyJhbGciOiJIUzI1NiJ9.payload.signature", " "]
    )
    found = run()[0]["run: log"].found
    assert found == "its last line: SyntaxError: ***"


def test_an_image_that_ignores_the_command(run, aws):
    """Without the probe's line in a log that can be read, the exit code is not taken for the probe's."""
    vars(aws).update(lines=["another program"], exit_code=78)
    rows, *_ = run()
    assert [check for check in rows if check not in ("run: ECS task", "run: log")] == []
    assert "entry point" in rows["run: log"].remedy


def test_the_line_is_waited_for(run, aws):
    """It arrives some seconds after the end of the container, and not for ever."""
    aws.arrive_at = aws.stops_at + LOG_PATIENCE - 2
    assert run()[0]["run: Airflow"].result == "ok"
    aws.__init__()
    aws.arrive_at = 1e9
    run()
    assert aws.now <= aws.stops_at + LOG_PATIENCE + 4


def test_a_log_that_may_not_be_read_is_not_waited_for(run, aws):
    """It will not change."""
    vars(aws).update(errors={"get_log_events": refused("GetLogEvents")}, exit_code=68)
    assert run()[0]["run: log"].result == "not tested"
    assert aws.now <= aws.stops_at + 4


def test_no_request_can_be_made(run, aws):
    """Such as without room for the probe beside the user's own overrides; nothing is started."""
    own = {"overrides": {"containerOverrides": [{"environment": [{"name": "X", "value": "x" * 4000}]}]}}
    rows, *_ = run(run_task_kwargs=json.dumps(own))
    assert rows["run: ECS task"].result == "not tested"
    assert "AWS accepts at most 8192" in rows["run: ECS task"].found
    assert aws.requests == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command(number):
    """With an exception and without a traceback; the handlers of before are back afterwards."""
    before = signal.getsignal(number)
    with trial.ended_by_signals(), pytest.raises(SystemExit) as left:
        signal.raise_signal(number)
    assert left.value.code == 128 + number
    assert signal.getsignal(number) is before


def test_a_second_signal_does_not_keep_the_ecs_task_from_being_stopped():
    """While the first one ends the command, StopTask is called."""
    with trial.ended_by_signals():
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)

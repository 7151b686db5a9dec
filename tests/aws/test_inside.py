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
"""What runs in the account for ``scripts/aws/verify``: how it gets there, what it makes of what it sees, what it prints."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError
from tools.aws.inside import judgements, payload, words
from tools.aws.inside.account import STOP_REASON, Account, report
from tools.aws.inside.components import component_environment
from tools.aws.inside.lines import MARK, Lines
from tools.aws.inside.questions import QUESTIONS
from tools.aws.inside.running import chosen, run_all
from tools.aws.inside.settings import METADATA, Settings, own_address
from tools.aws.inside.trial import AS_EXPECTED, NOT_PROVOKED, OTHERWISE, Bench, Facts, Seen, Trial
from tools.aws.inside.trials import TRIALS

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html, member ``overrides``
MAX_OVERRIDES = 8192
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html: a task definition has 64 KiB.
MAX_PACKED = 40 * 1024
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
ENVIRONMENT = {
    "VERIFY_CLUSTER": "airflow",
    "VERIFY_DEPLOYMENT": "airflow-verify",
    "VERIFY_TASK_DEFINITION": "airflow-verify-task",
    "VERIFY_BROKEN_TASK_DEFINITION": "airflow-verify-no-image",
    "VERIFY_CONTAINER": "airflow",
    "VERIFY_SUBNETS": "subnet-1,subnet-2",
    "VERIFY_SECURITY_GROUPS": "sg-1",
    "VERIFY_REGION": "us-east-1",
    "VERIFY_DATABASE": "postgresql+psycopg2://airflow:pass%2Fword@127.0.0.1:5432/airflow",
}


@pytest.fixture
def settings():
    return Settings.read(ENVIRONMENT)


class FakeEcs:
    """ECS with these tasks, which StopTask stops at once."""

    def __init__(self, *tasks):
        self.tasks = {task["taskArn"]: task for task in tasks}
        self.described = []
        self.stopped = []

    def get_paginator(self, _):
        return self

    def paginate(self, *, desiredStatus, family="", **_):
        found = [
            arn
            for arn, task in self.tasks.items()
            if (task["lastStatus"] == "STOPPED") == (desiredStatus == "STOPPED") and task["family"] == family
        ]
        return [{"taskArns": found[:1]}, {"taskArns": found[1:]}]

    def describe_tasks(self, *, tasks, **_):
        self.described += tasks
        return {"tasks": [self.tasks[arn] for arn in tasks if arn in self.tasks], "failures": []}

    def stop_task(self, *, task, reason, **_):
        self.stopped.append((task, reason))
        self.tasks[task]["lastStatus"] = "STOPPED"

    def run_task(self, **request):
        arn = f"arn:{len(self.tasks)}"
        self.tasks[arn] = ecs_task(arn, lastStatus="RUNNING", run_id="", request=request)
        return {"tasks": [self.tasks[arn]], "failures": []}


class FakeAirflow:
    def __init__(self):
        self.revived = 0

    def check_alive(self):
        pass

    def revive(self):
        self.revived += 1


class FakeApi:
    """An API whose Dag runs never end by themselves."""

    def __init__(self):
        self.failed = []
        self.runs = {}

    def is_well(self):
        return True

    def has_dag(self, dag_id):
        return True

    def trigger(self, dag_id, run_id):
        self.runs[run_id] = "running"

    def run_state(self, dag_id, run_id):
        return self.runs[run_id]

    def fail_run(self, dag_id, run_id):
        self.runs[run_id] = "failed"

    def task_instances(self, dag_id, run_id):
        return [{"task_id": "one", "map_index": -1, "try_number": 1, "state": "failed"}]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def ecs_task(arn="arn:1", *, lastStatus="STOPPED", run_id="run", map_index="-1", **members):
    values = {"run_id": run_id, "task_id": "one", "map_index": map_index, "try_number": "1"}
    return {
        "taskArn": arn,
        "lastStatus": lastStatus,
        "family": "airflow-verify-task",
        "tags": [{"key": f"airflow:{name}", "value": value} for name, value in values.items()],
        "containers": [],
        **members,
    }


def bench_of(settings, ecs, limit=100.0):
    clock = Clock()
    return Bench(
        settings,
        FakeAirflow(),
        FakeApi(),
        Account(settings, ecs),
        limit=limit,
        clock=clock,
        sleep=clock.sleep,
    )


def rows_of(trials, bench):
    """Run trials and return the rows that are printed."""
    stream = io.StringIO()
    run_all(trials, bench, Lines(stream=stream))
    lines = [json.loads(line.removeprefix(MARK)) for line in stream.getvalue().splitlines()]
    return [line for line in lines if line["kind"] == "trial"]


# How it gets there.


def test_the_payload_is_small_and_the_same_for_the_same_files():
    packed = payload.pack()
    assert len(packed) < MAX_PACKED
    assert packed == payload.pack()


def run_packed(program, *arguments, cwd, **environment):
    environment = {
        "PATH": os.environ["PATH"],
        payload.PAYLOAD: payload.pack(),
        "TMPDIR": str(cwd),
        **environment,
    }
    command = [sys.executable, *program[1:], *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_task_finds_the_dags_and_its_command_has_the_exit_code(tmp_path):
    code = "import json, os; [b] = json.loads(os.environ['AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST'])"
    code += f"; print(sorted(os.listdir(b['kwargs']['path'])), '{payload.PAYLOAD}' in os.environ); exit(3)"
    done = run_packed(payload.TASK_ENTRY_POINT, sys.executable, "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.strip() == "['verify_example.py', 'verify_trials.py'] False"


def test_what_is_unpacked_starts_and_says_what_it_lacks(tmp_path):
    """It imports nothing that the payload does not have."""
    done = run_packed(payload.START, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "KeyError: 'VERIFY_CLUSTER'"


def test_the_overrides_that_are_added_are_far_from_the_limit(settings, tmp_path):
    added = component_environment(settings, tmp_path)["AIRFLOW__FARGATE__RUN_TASK_KWARGS"]
    assert len(added) < MAX_OVERRIDES / 8


# What it is told.


@pytest.mark.parametrize(
    ("environment", "address"),
    [({}, "127.0.0.1"), ({METADATA: "http://169.254.170.2/v4/x"}, "10.0.1.2")],
)
def test_own_address(environment, address):
    def read(url):
        assert url == "http://169.254.170.2/v4/x"
        return {"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.1.2"]}]}

    assert own_address(environment, read) == address


@pytest.mark.parametrize("missing", sorted(ENVIRONMENT))
def test_what_is_missing_is_named(missing):
    with pytest.raises(KeyError, match=missing):
        Settings.read({name: value for name, value in ENVIRONMENT.items() if name != missing})


def test_tasks_get_the_address_and_no_secret(settings, tmp_path):
    environment = component_environment(settings, tmp_path)
    added = environment["AIRFLOW__FARGATE__RUN_TASK_KWARGS"]
    assert "http://127.0.0.1:8080/execution/" in added
    assert not [secret for secret in settings.secrets if secret in added]
    assert environment["AIRFLOW__FARGATE__DEPLOYMENT"] == "airflow-verify"


# What it prints.


def test_nothing_secret_is_printed(settings):
    stream = io.StringIO()
    lines = Lines(settings.secrets, stream)
    for secret in (*settings.secrets, TOKEN):
        lines.log(f"It is {secret}")
        lines.pass_on("scheduler", [f"It is {secret} \xff\n".encode("latin-1")])
    printed = stream.getvalue()
    assert len(settings.secrets) == 3
    assert not [secret for secret in (*settings.secrets, TOKEN) if secret in printed]
    assert len(printed.splitlines()) == 8
    assert all(line.startswith((MARK, "[scheduler] It is (")) for line in printed.splitlines())


def test_a_recording_comes_in_parts():
    stream = io.StringIO()
    content = {"exchanges": [os.urandom(60_000).hex()]}
    Lines(stream=stream).recording("killed", content)
    parts = [json.loads(line.removeprefix(MARK)) for line in stream.getvalue().splitlines()]
    assert [(part["trial"], part["number"], part["part"]) for part in parts] == [
        ("killed", 1, at) for at in range(1, parts[0]["parts"] + 1)
    ]
    assert json.loads(gzip.decompress(base64.b64decode("".join(part["data"] for part in parts)))) == content


# What it makes of what it has seen.


def facts(state="success", states=("success",), failures=(), notes=(), ecs_tasks=()):
    task_instances = [{"state": each} for each in states]
    return Facts(state, task_instances, [*notes, *failures], list(failures), list(ecs_tasks))


FAILED = {"state": "failed", "states": ("failed",)}
ENDED_137 = ecs_task(containers=[{"name": "airflow", "exitCode": 137}])
NEVER = ecs_task(stopCode="TaskFailedToStart")
STOPPED = ecs_task(stopCode="UserInitiated")
REFUSED = f"The vCPU limit. {judgements.NO_CAPACITY}."
ON_SPOT = ecs_task(capacityProviderName="FARGATE_SPOT")


def started(map_index):
    return ecs_task(f"arn:{map_index}", map_index=str(map_index), startedAt="then")


@pytest.mark.parametrize(
    ("judge", "of", "verdict"),
    [
        (judgements.success, facts(), AS_EXPECTED),
        (judgements.success, facts(states=("success", "skipped")), OTHERWISE),
        (judgements.success, facts("failed", ("success", "failed")), OTHERWISE),
        (judgements.success, facts(states=()), OTHERWISE),
        ("killed", facts(**FAILED, failures=["exit code 137"], ecs_tasks=[ENDED_137]), AS_EXPECTED),
        ("killed", facts(ecs_tasks=[ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, failures=["It failed"], ecs_tasks=[ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, notes=["exit code 137"], ecs_tasks=[ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, failures=["137"], ecs_tasks=[ENDED_137, ENDED_137]), OTHERWISE),
        ("killed", facts(**FAILED, failures=["137"]), OTHERWISE),
        (
            judgements.no_image,
            facts(**FAILED, failures=["CannotPullContainerError"], ecs_tasks=[NEVER]),
            AS_EXPECTED,
        ),
        (judgements.no_image, facts(**FAILED, failures=["CannotPullContainerError"]), OTHERWISE),
        (
            judgements.no_image,
            facts(**FAILED, failures=["CannotPullContainerError"], ecs_tasks=[started(0)]),
            OTHERWISE,
        ),
        (judgements.no_image, facts(**FAILED, failures=["It failed"], ecs_tasks=[NEVER]), OTHERWISE),
        (judgements.stopped, facts(**FAILED, failures=[STOP_REASON], ecs_tasks=[STOPPED]), AS_EXPECTED),
        (judgements.stopped, facts(**FAILED, failures=["Somebody"], ecs_tasks=[STOPPED]), OTHERWISE),
        (judgements.stopped, facts(**FAILED, failures=[STOP_REASON], ecs_tasks=[NEVER]), OTHERWISE),
        (judgements.stopped, facts(ecs_tasks=[STOPPED]), OTHERWISE),
        (judgements.spot, facts(ecs_tasks=[ON_SPOT]), AS_EXPECTED),
        (judgements.spot, facts(ecs_tasks=[ecs_task(launchType="FARGATE")]), OTHERWISE),
        (judgements.spot, facts("running", ("queued",), notes=[REFUSED]), NOT_PROVOKED),
        (judgements.spot, facts(**FAILED, failures=["SpotInterruption"], ecs_tasks=[ON_SPOT]), OTHERWISE),
        (judgements.no_capacity, facts("running", ("queued",), notes=[REFUSED]), AS_EXPECTED),
        (judgements.no_capacity, facts(states=("success",) * 4), NOT_PROVOKED),
        (judgements.no_capacity, facts(**FAILED, failures=["The vCPU limit."]), OTHERWISE),
        ("mapped", facts(states=("success",) * 3, notes=[REFUSED]), AS_EXPECTED),
        ("mapped", facts("failed", ("success", "failed"), failures=["x"]), OTHERWISE),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=map(started, range(2))), AS_EXPECTED),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=[started(0), NEVER, started(1)]), AS_EXPECTED),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=map(started, (0, 1, 1))), OTHERWISE),
        ("scheduler", facts(states=("success",) * 2, ecs_tasks=[started(0)]), OTHERWISE),
        ("scheduler", facts("failed", ("success", "failed"), ecs_tasks=map(started, range(2))), OTHERWISE),
        ("too late", facts(states=("success",) * 2, ecs_tasks=map(started, range(2))), NOT_PROVOKED),
        ("too late", facts(states=("success",) * 2, ecs_tasks=map(started, (0, 1, 1))), OTHERWISE),
    ],
)
def test_judgements(judge, of, verdict):
    others = {
        "killed": lambda each: judgements.killed(each, "airflow"),
        "mapped": lambda each: judgements.mapped(each, 12.3),
        "scheduler": lambda each: judgements.scheduler_killed(each, 1),
        "too late": lambda each: judgements.scheduler_killed(each, 2),
    }
    seen = others.get(judge, judge)(of)
    assert seen.verdict == verdict, seen.words
    assert seen.words


def test_an_ecs_task_in_the_report():
    moment = datetime(2026, 11, 30, tzinfo=timezone.utc)
    task = ecs_task(
        cpu="256",
        memory="512",
        launchType="FARGATE",
        createdAt=moment,
        attributes=[{"name": "ecs.cpu-architecture", "value": "arm64"}],
        containers=[{"name": "sidecar", "exitCode": 1}, {"name": "airflow", "exitCode": 0}],
    )
    assert report(task, "airflow") == {
        "arn": "arn:1",
        "vcpu": 0.25,
        "gb": 0.5,
        "architecture": "arm64",
        "capacity": "FARGATE",
        "createdAt": "2026-11-30T00:00:00+00:00",
        "stopCode": "",
        "stoppedReason": "",
        "exitCode": 0,
    }
    assert report({"taskArn": "arn:2"}, "airflow")["exitCode"] is None


def test_the_words_of_aws_and_what_the_executor_reads():
    def refuse():
        error = {"Code": "ClusterNotFoundException", "Message": "Cluster not found."}
        raise ClientError({"Error": error}, "RunTask")

    row = words.answer_of(refuse)
    assert (row["refused"], row["aws"]) == (True, "ClusterNotFoundException: Cluster not found.")
    assert (row["executor"], "no such cluster" in row["reason"]) == ("failed", True)
    assert not words.answer_of(lambda: "arn:1")["refused"]
    assert words.answer_of(lambda: {"failures": [{"reason": "MISSING"}]})["refused"]


# How it goes from one trial to the next.


def test_trials_have_different_names_and_are_chosen_in_their_order():
    names = [trial.name for trial in (*TRIALS, *QUESTIONS)]
    assert len(set(names)) == len(names)
    assert [trial.name for trial in chosen(TRIALS, ["stopped", "killed"])] == ["killed", "stopped"]
    assert chosen(TRIALS, []) == list(TRIALS)


def test_what_a_trial_raises_is_its_row_and_the_next_one_runs(settings):
    def fail(_):
        raise ValueError("no such thing")

    def wait(bench):
        bench.wait_until(lambda: False, "never", 5)

    trials = [Trial(run.__name__, "Any", "Any", run) for run in (fail, wait)]
    trials.append(Trial("good", "Any", "Any", lambda _: Seen(AS_EXPECTED, "Good")))
    bench = bench_of(settings, FakeEcs())
    assert [(row["trial"], row["verdict"], row["seen"]) for row in rows_of(trials, bench)] == [
        ("fail", OTHERWISE, "ValueError: no such thing"),
        ("wait", OTHERWISE, "TrialError: Waited 5 s in vain until never"),
        ("good", AS_EXPECTED, "Good"),
    ]
    assert bench.airflow.revived == 3


def test_what_is_not_run_says_so(settings):
    bench = bench_of(settings, FakeEcs(), limit=5)
    trials = [
        Trial("long", "Any", "Any", lambda bench: bench.wait_until(lambda: False, "never", 600)),
        Trial("next", "Any", "Any", lambda _: Seen(AS_EXPECTED, "Good")),
    ]
    rows = rows_of(trials, bench)
    assert [row["verdict"] for row in rows] == [OTHERWISE, OTHERWISE]
    assert rows[1]["seen"] == "It was not run: the time for all trials is over"
    assert bench.clock() < 10


def test_a_trial_is_cleaned_up_after_and_its_ecs_tasks_are_counted_once(settings):
    ecs = FakeEcs()

    def leave(bench):
        run = bench.start("any")
        for arn, status in (("arn:a", "RUNNING"), ("arn:b", "STOPPED")):
            ecs.tasks[arn] = ecs_task(arn, lastStatus=status, run_id=run.run_id)
        ecs.tasks["arn:other"] = ecs_task("arn:other", lastStatus="RUNNING", run_id="another")
        bench.run_ecs_task()
        raise ValueError("with ECS tasks that run")

    bench = bench_of(settings, ecs)
    rows = rows_of([Trial("leave", "Any", "Any", leave)] * 2, bench)
    assert [row["seen"] for row in rows] == ["ValueError: with ECS tasks that run"] * 2
    counted = [task["arn"] for row in rows for task in row["ecs_tasks"]]
    assert len(counted) == len(set(counted))
    assert {"arn:a", "arn:b"} < set(counted)
    assert "arn:other" not in counted
    assert ecs.tasks["arn:other"]["lastStatus"] == "RUNNING"
    assert {reason for _, reason in ecs.stopped} == {STOP_REASON}
    assert set(bench.api.runs.values()) == {"failed"}


def test_ecs_tasks_are_stopped_and_counted_also_where_cleaning_up_fails(settings):
    """Airflow does not answer any more, and the time is over."""
    ecs = FakeEcs()
    bench = bench_of(settings, ecs, limit=5)

    def leave(bench):
        run = bench.start("any")
        ecs.tasks["arn:a"] = ecs_task("arn:a", lastStatus="RUNNING", run_id=run.run_id)
        bench.api.runs.clear()
        bench.wait_until(lambda: False, "never", 600)

    [row] = rows_of([Trial("leave", "Any", "Any", leave)], bench)
    assert row["verdict"] == OTHERWISE
    assert row["seen"].startswith("TrialError: Waited 600 s in vain until never. Cleaning up: KeyError: ")
    assert [task["arn"] for task in row["ecs_tasks"]] == ["arn:a"]
    assert ecs.tasks["arn:a"]["lastStatus"] == "STOPPED"


def test_what_has_stopped_is_not_described_again(settings):
    ecs = FakeEcs(ecs_task("arn:a"), ecs_task("arn:b", lastStatus="RUNNING"))
    account = Account(settings, ecs)
    for _ in range(2):
        assert {task["taskArn"] for task in account.of_run("run")} == {"arn:a", "arn:b"}
    assert sorted(ecs.described) == ["arn:a", "arn:b", "arn:b"]


def test_all_that_is_imported_is_packed_or_in_the_image():
    imports = re.compile(r"^\s*(?:from|import) (tools[\w.]*)", re.MULTILINE)
    modules = {name for path in payload.FOLDER.rglob("*.py") for name in imports.findall(path.read_text())}
    assert modules
    assert [name for name in modules if not name.startswith("tools.aws.inside")] == []

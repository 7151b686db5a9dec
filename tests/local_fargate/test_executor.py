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
"""The executor against the local Fargate: real HTTP, real threads, real processes; without a scheduler."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from types import SimpleNamespace
from unittest import mock

import pytest

from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.launch import Launch
from airflow.executors.fargate_executor import FargateExecutor

# What Airflow itself hides a connection's password with; each line of releases has it elsewhere.
from airflow.models.connection import mask_secret
from airflow.utils.state import TaskInstanceState

from tests.bench.adoption import adopt, make_candidate
from tests.bench.work import make_key, read_log, task_instance

SUCCESS, FAILED, RUNNING = TaskInstanceState.SUCCESS, TaskInstanceState.FAILED, TaskInstanceState.RUNNING
PATIENCE = 20
#: The coordinates of task instances, by the executor's keys.
KEYS = {}


class Scheduler:
    """The part of the scheduler that matters: it hands over, calls sync(), and reads the events."""

    def __init__(self, executor):
        self.executor = executor
        self.events = {}

    def hand_over(self, task_id, *command, executor_config=None):
        """Hand over a command of our own in the place of what Airflow hands over."""
        candidate = make_candidate(key := make_key(task_id), time.time())
        launch = Launch(candidate.task, candidate.key, command, executor_config, handed_over=time.time())
        KEYS[candidate.key] = key
        with mock.patch.object(AIRFLOW, "launch_of", return_value=launch):
            self.executor.execute_async(launch.key, list(command))
        self.executor.running.add(launch.key)
        return key

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.events
            self.executor.sync()
            for key, (state, info) in self.executor.get_event_buffer().items():
                self.events.setdefault(KEYS[key], []).append((state, info))
            time.sleep(0.02)

    def ends(self):
        return {k: e[-1][0] for k, e in self.events.items() if e[-1][0] != RUNNING}


@pytest.fixture
def fargate_options(account, monkeypatch):
    options = {
        "REGION": "us-east-1",
        "CLUSTER": account.cluster,
        "TASK_DEFINITION": account.task_definition,
        "CONTAINER_NAME": account.container,
        "SUBNETS": ",".join(account.subnets),
        "ENDPOINT_URL": account.fargate.endpoint_url,
        "POLL_INTERVAL": "0.2",
    }
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__FARGATE__{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", account.fargate.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


@pytest.fixture
def start(fargate_options):
    """Return a function that starts an executor and returns its scheduler; ends them all afterwards."""
    executors = []

    def _start():
        executor = FargateExecutor()
        executors.append(executor)
        executor.start()
        return Scheduler(executor)

    yield _start
    for executor in executors:
        executor.end()


def run_task_is_under_way(scheduler):
    return any(run.token for run in scheduler.executor.debug_state()["followed"])


def containers(account):
    """Return the ledger's entries by task id."""
    entries = {}
    for entry in account.fargate.ledger():
        environment = entry["overrides"]["containerOverrides"][0]["environment"]
        (identity,) = [v["value"] for v in environment if v["name"] == "AIRFLOW_FARGATE_LAUNCH"]
        task_id = identity.split('"task_id":"')[1].split('"')[0]
        entries.setdefault(task_id, []).append(entry)
    return entries


@pytest.fixture(autouse=True)
def _only_this_tests_containers(account):
    seen = {entry["taskArn"] for entry in account.fargate.ledger()}
    ledger = account.fargate.ledger
    account.fargate.ledger = lambda: [entry for entry in ledger() if entry["taskArn"] not in seen]
    yield
    del account.fargate.ledger


def test_exit_code_decides(account, start):
    """A container's exit code is the end of its launch, once, with the ARN told before."""
    scheduler = start()
    good = scheduler.hand_over("good", "true")
    bad = scheduler.hand_over("bad", "sh", "-c", "exit 7")
    scheduler.until(lambda: len(scheduler.ends()) == 2)
    assert scheduler.ends() == {good: SUCCESS, bad: FAILED}
    assert "exited with code 7" in scheduler.events[bad][-1][1]
    assert scheduler.executor.running == set()
    assert {task: len(found) for task, found in containers(account).items()} == {"good": 1, "bad": 1}


@pytest.mark.parametrize("kind", ["response_lost", "reset", "server_error", "garbage", "empty"])
def test_unclear_answer_to_run_task_costs_no_second_container(account, start, kind):
    """Whatever becomes of the answers to RunTask, a launch gets one container, and ends well."""
    account.fargate.configure(faults=[{"kind": kind, "operation": "RunTask", "times": 1}])
    scheduler = start()
    key = scheduler.hand_over("task", "true")
    scheduler.until(lambda: scheduler.ends() == {key: SUCCESS})
    assert len(containers(account)["task"]) == 1


def test_container_that_cannot_start_is_launched_again(account, start):
    """A container that never started is launched again, with another token."""
    account.fargate.configure(faults=[{"kind": "start_failure", "times": 1}])
    scheduler = start()
    key = scheduler.hand_over("task", "true")
    scheduler.until(lambda: scheduler.ends() == {key: SUCCESS})
    assert len({entry["clientToken"] for entry in containers(account)["task"]}) == 2


def test_revoked_while_run_task_is_under_way(account, start):
    """A launch that is taken back before AWS has answered ends with its container stopped, and with no event."""
    account.fargate.configure(latency={"RunTask": 0.5})
    scheduler = start()
    key = scheduler.hand_over("task", "sleep", "60")
    scheduler.executor.sync()
    scheduler.until(lambda: run_task_is_under_way(scheduler))
    scheduler.executor.revoke_task(ti=task_instance(key))
    scheduler.until(
        lambda: [e.get("stopCode") for e in containers(account).get("task", [])] == ["UserInitiated"]
    )
    assert scheduler.events == {}
    assert scheduler.executor.running == set()


def test_terminate_stops_everything(account, start):
    """terminate() stops each container, says why, and leaves none of the executor's threads."""
    scheduler = start()
    for number in range(3):
        scheduler.hand_over(f"task{number}", "sleep", "60")
    scheduler.until(lambda: len(scheduler.events) == 3)
    scheduler.executor.terminate()
    stopped = [entry for found in containers(account).values() for entry in found]
    for entry in stopped:
        account.wait(entry["taskArn"])
    assert [entry["stoppedReason"] for entry in stopped] == ["Airflow's scheduler was terminated"] * 3


def test_successor_takes_over(account, start):
    """After end() containers run on; the next executor finds them without a stored ARN and tells their ends."""
    first = start()
    keys = [first.hand_over("runs", "sleep", "2"), first.hand_over("has_ended", "sh", "-c", "exit 3")]
    first.until(lambda: len(first.events) == 2)
    began = time.monotonic()
    first.executor.end()
    assert time.monotonic() - began < 15
    account.wait(containers(account)["has_ended"][0]["taskArn"])
    second = start()
    # AWS does not answer in time: the answer comes as events.
    adopt(second.executor, [make_candidate(key, time.time() - 60) for key in keys], patience=0.0)
    second.until(lambda: second.ends() == dict(zip(keys, [SUCCESS, FAILED])))
    assert {task: len(found) for task, found in containers(account).items()} == {"runs": 1, "has_ended": 1}


def test_no_token_in_debug_logs(account, start):
    """Not even botocore's own debug log shows what a container's command or overrides hold."""
    written = []
    handler = logging.Handler()
    handler.emit = lambda record: written.append(record.getMessage())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        scheduler = start()
        config = {
            "overrides": {"containerOverrides": [{"environment": [{"name": "A", "value": "s3cr3t-env"}]}]}
        }
        key = scheduler.hand_over("task", "true", "s3cr3t-token", executor_config=config)
        scheduler.until(lambda: scheduler.ends() == {key: SUCCESS})
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert any("DescribeTasks" in line for line in written)  # So botocore did write at this level.
    assert [line for line in written if "s3cr3t" in line] == []


def test_threads_are_gone_after_end(start):
    """end() leaves no thread of the executor behind."""
    scheduler = start()
    key = scheduler.hand_over("task", "true")
    scheduler.until(lambda: scheduler.ends() == {key: SUCCESS})
    scheduler.executor.end()
    deadline = time.monotonic() + 5
    while [t for t in threading.enumerate() if t.name.startswith(THREAD_NAMES)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


FUNCTION = """
from airflow.executors.fargate_executor import default_task_id_to_fargate_options_function

def grouped():
    from_options = default_task_id_to_fargate_options_function()
    return lambda command: {**from_options(command), "group": "family:of-our-own"}
"""


def test_options_reach_the_container(account, start, monkeypatch, tmp_path):
    """What requests are asked for by option, and by a function of one's own, AWS has of the task."""
    tags = [{"key": "cost-center", "value": "42"}, {"key": "team", "value": "of the definition"}]
    tagged = account.register("tagged", {"name": account.container}, tags=tags)
    (tmp_path / "our_function.py").write_text(FUNCTION)
    monkeypatch.syspath_prepend(tmp_path)
    options = {
        "TASK_DEFINITION": tagged,
        "PLATFORM_VERSION": "1.4.0",
        # Not the default.
        "ASSIGN_PUBLIC_IP": "True",
        "ENABLE_EXECUTE_COMMAND": "True",
        "PROPAGATE_TAGS": "TASK_DEFINITION",
        "TAGS": '{"team": "data"}',
        "TAG_TASKS": "False",
        "EPHEMERAL_STORAGE": "30",
        # What ECS Exec needs, by the way.
        "RUN_TASK_KWARGS": '{"overrides": {"taskRoleArn": "arn:aws:iam::123456789012:role/airflow-task"}}',
        "EXECUTION_CONFIG_FUNCTION": "our_function.grouped",
    }
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__FARGATE__{name}", value)
    scheduler = start()
    key = scheduler.hand_over("task", "true")
    scheduler.until(scheduler.ends)
    assert scheduler.ends() == {key: SUCCESS}
    (task,) = containers(account)["task"]
    assert (task["platformVersion"], task["group"]) == ("1.4.0", "family:of-our-own")
    assert task["enableExecuteCommand"] is True
    assert task["overrides"]["ephemeralStorage"] == {"sizeInGiB": 30}
    assert task["assignPublicIp"] == "ENABLED"
    # Of tags with the same key the request's own holds.
    assert {tag["key"]: tag["value"] for tag in task["tags"]} == {"team": "data", "cost-center": "42"}


def test_last_words_of_a_container_stand_in_the_event_log(account, start):
    """Of one that exits before Airflow's code runs, what it wrote, late as CloudWatch is; of one that ends well nothing."""
    account.fargate.configure(log_lag=1.0, log_empty_pages=1)
    scheduler = start()
    bad = scheduler.hand_over(
        "bad", "sh", "-c", "seq 1 40; echo token=\\'eyJhbGciOiJIUzUxMiJ9.e30.x\\' >&2; exit 7"
    )
    good = scheduler.hand_over("good", "sh", "-c", "echo all is well")
    told = scheduler.executor._task_event_logs
    scheduler.until(lambda: any(entry.event == "fargate log" for entry in told))
    assert scheduler.ends() == {good: SUCCESS, bad: FAILED}
    (entry,) = (entry for entry in told if entry.event == "fargate log")
    assert (entry.dag_id, entry.task_id, entry.run_id, entry.try_number) == (bad.dag_id, "bad", bad.run_id, 1)
    assert entry.extra.split("\n")[1:] == [*(f"| {n}" for n in range(22, 41)), "| token='***'"]


def test_a_secret_that_airflow_knows_is_hidden_in_the_last_words(account, start):
    """Whatever Airflow masks in its own logs, such as the password of a connection that the scheduler has read."""
    mask_secret("open-sesame-open-sesame")
    scheduler = start()
    scheduler.hand_over("bad", "sh", "-c", "echo it is open-sesame-open-sesame, psst; exit 7")
    told = scheduler.executor._task_event_logs
    scheduler.until(lambda: any(entry.event == "fargate log" for entry in told))
    (entry,) = (entry for entry in told if entry.event == "fargate log")
    assert entry.extra.split("\n")[1:] == ["| it is ***, psst"]


def test_a_log_is_shown_while_its_container_runs(account, start, fargate_options):
    """By what is no scheduler, as the API server, from CloudWatch."""
    scheduler = start()
    key = scheduler.hand_over("task", "sh", "-c", "echo first; echo second; sleep 60")
    scheduler.until(lambda: containers(account).get("task"))
    arn = containers(account)["task"][0]["taskArn"]
    account.wait_for_output(arn)
    sources, lines = read_log(arn)
    assert [line.count(word) for line, word in zip(lines, ("first", "second"))] == [1, 1]
    assert any("/ecs/airflow" in source for source in sources)
    scheduler.executor.revoke_task(ti=task_instance(key))


@pytest.fixture
def dripping():
    """An endpoint that goes on answering, without end: each byte comes before the caller has lost patience with it."""
    over = threading.Event()

    def answer(connection):
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(0.5):
                connection.sendall(b".")

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            # Until the socket is shut down.
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.getsockname()[1]}", over=over)
        over.set()
        server.shutdown(socket.SHUT_RDWR)


def test_whoever_looks_at_a_log_has_an_answer_while_aws_still_hangs(dripping, fargate_options, monkeypatch):
    """The page says so, and does not wait for a call that has no end."""
    monkeypatch.setenv("AIRFLOW__FARGATE__ENDPOINT_URL", dripping.url)
    arn = "arn:aws:ecs:us-east-1:123456789012:task/airflow/0123456789abcdef0123456789abcdef"
    # Else it would never end where nobody has patience for it.
    end = threading.Timer(60, dripping.over.set)
    end.start()
    try:
        sources, _ = read_log(arn)
        still_hangs = not dripping.over.is_set()
    finally:
        end.cancel()
    assert still_hangs
    assert "The container's log cannot be shown: " in sources[-1]


def test_no_token_in_debug_logs_of_the_log_reader(account, start, fargate_options, caplog):
    """What DescribeTasks answers, with the container's command, is kept out of the API server's log."""
    caplog.set_level(logging.DEBUG)
    scheduler = start()
    scheduler.hand_over("task", "sh", "-c", "sleep 60", "s3cr3t-command")
    scheduler.until(lambda: containers(account).get("task"))
    caplog.clear()
    arn = containers(account)["task"][0]["taskArn"]
    read_log(arn)
    assert any("DescribeTasks" in record.getMessage() for record in caplog.records)
    assert not any("s3cr3t-command" in record.getMessage() for record in caplog.records)

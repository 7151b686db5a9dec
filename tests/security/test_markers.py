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
"""No token, override or environment value in anything that is written, whatever goes wrong."""

from __future__ import annotations

import logging
import sys
import time
from unittest import mock

import pytest

from airflow.executors.fargate.aws import clients
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.fleet.lifecycle import Lifecycle
from airflow.executors.fargate.launch import Launch
from airflow.utils.state import TaskInstanceState

from tests.bench.adoption import adopt, make_candidate
from tests.bench.work import HAS_WORKLOADS, SIGNED_WITH, make_key, task_instance

#: Whatever is secret holds this word, in a shape of its own for each place where it is planted.
MARKER = "s3cr3tm4rk3r"
FAULTS = [
    *({"kind": kind, "operation": "*", "times": 3} for kind in ("reset", "server_error", "garbage", "empty")),
    *({"kind": kind, "operation": "RunTask", "times": 2} for kind in ("throttle", "response_lost")),
    {"kind": "error", "code": "AccessDeniedException", "status": 403, "operation": "RunTask", "times": 2},
    {"kind": "capacity", "times": 2},
    {"kind": "start_failure", "times": 2},
    {"kind": "spot_interruption", "times": 1},
]
#: Where a task can ask for something that AWS would refuse, with a secret in it.
REFUSED = {
    "a value of the wrong type": {"overrides": {"cpu": {"secret": MARKER}}},
    "an unknown member": {"overrides": {"password": MARKER}},
    "an odd tag": {"tags": [{"key": "team", "value": f"{MARKER};"}]},
    "a variable of bytes": {
        "overrides": {"containerOverrides": [{"environment": [{"name": "P", "value": MARKER.encode()}]}]}
    },
    "far too much": {
        "overrides": {"containerOverrides": [{"environment": [{"name": "P", "value": MARKER * 2000}]}]}
    },
    "a list for a dict": {"overrides": [MARKER]},
    "an enum that is none": {"launchType": MARKER},
    "something that cannot be copied": {"group": iter([MARKER])},
    "another container": {
        "overrides": {"containerOverrides": [{"name": "none-of-ours", "command": [MARKER]}]}
    },
}
FUNCTION = """
from airflow.executors.fargate_executor import default_task_id_to_fargate_options_function as default

def function():
    from_options = default()

    def to_request(command):
        if any("of_a_function" in word for word in command):
            raise {error}(command, "s3cr3tm4rk3r")
        return from_options(command)

    return to_request
"""


def wishes(number):
    """Return an executor_config that AWS takes, with secrets in every place that can have one."""
    variables = [{"name": "PASSWORD", "value": f"{MARKER}-{number}"}]
    return {
        "overrides": {
            "containerOverrides": [
                {"environment": variables, "environmentFiles": [{"type": "s3", "value": f"arn:{MARKER}"}]}
            ]
        },
        "tags": [{"key": "secret", "value": MARKER}],
        "referenceId": MARKER,
    }


@pytest.fixture
def metrics(monkeypatch):
    """Return what takes the executor's metrics."""
    taker = mock.Mock(spec=["incr", "gauge", "timing"])
    monkeypatch.setattr(AIRFLOW, "stats", lambda: taker)
    return taker


@pytest.fixture
def user_function(tmp_path, monkeypatch):
    """Let a user's function raise errors that hold the command."""

    def install(error):
        (tmp_path / "function_with_secrets.py").write_text(FUNCTION.replace("{error}", error))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "function_with_secrets", raising=False)
        monkeypatch.setenv("AIRFLOW__FARGATE__EXECUTION_CONFIG_FUNCTION", "function_with_secrets.function")

    return install


def queue(scheduler, key, executor_config, tokens):
    """Queue a task instance whose command holds a secret."""
    if HAS_WORKLOADS:
        scheduler.queue(key, executor_config, long_path=f"{MARKER}.log")
        queued = AIRFLOW.queued(scheduler.executor).values()
        tokens.update(workload.token for workload in queued if workload.ti.key == key)
        return
    # 2.11 logs commands itself, which hold no secret there: so this one goes past it.
    scheduler.executor.execute_async(key, ["run", key.task_id, MARKER], None, executor_config)
    scheduler.executor.running.add(key)


def parts_of(thing):
    """Return the objects of the package that it consists of."""
    held = getattr(thing, "__dict__", {}).values()
    return [part for part in held if type(part).__module__.startswith("airflow.executors.fargate.")]


def everything_about(scheduler):
    """Return what the executor's objects say of themselves, and what it writes when it is asked to."""
    executor = scheduler.executor
    executor.debug_dump()
    state = executor.debug_state()
    prepared = [run.prepared for run in state["followed"] if run.prepared]
    parts = parts_of(executor)
    # The fleet's thread, and what that consists of.
    parts += [part for whole in parts for part in parts_of(whole)]
    things = [executor, *parts, state, *state["launches"], *state["followed"], *prepared]
    return "\n".join(f"{thing!r} {thing}" for thing in things), len(prepared)


@pytest.mark.parametrize("error", ["ValueError", "KeyboardInterrupt"])
def test_nothing_secret_is_written(
    error, fargate, start, written, metrics, user_function, capfd, monkeypatch
):
    """Through faults of every kind, refused requests, a death of the thread, a revocation and an adoption."""
    user_function(error)
    fargate.adjust(faults=FAULTS)
    scheduler, tokens, told = start(), set(), []
    good = [make_key(f"good{number}") for number in range(25)]
    bad = [make_key(f"bad{number}") for number in range(len(REFUSED))]
    for number, key in enumerate(good):
        queue(scheduler, key, wishes(number), tokens)
    for key, config in zip(bad, REFUSED.values()):
        queue(scheduler, key, config, tokens)
    queue(scheduler, make_key("of_a_function"), None, tokens)
    queue(scheduler, make_key("to_be_revoked"), wishes(0), tokens)
    deaths = iter([True])
    apply_outcome = Lifecycle.apply_outcome

    def die_once(self, run, outcome):
        if next(deaths, False):
            raise RuntimeError("a bug")
        apply_outcome(self, run, outcome)

    monkeypatch.setattr(Lifecycle, "apply_outcome", die_once)
    scheduler.beat()
    scheduler.executor.revoke_task(ti=task_instance(make_key("to_be_revoked")))
    shown, prepared = everything_about(scheduler)
    told.append(shown)
    scheduler.until(lambda: len(scheduler.ends) == len(good) + len(bad) + 1)
    told.append(everything_about(scheduler)[0])
    told += [
        repr(scheduler.ends),
        repr(scheduler.event_log),
        repr(metrics.mock_calls),
        written(),
        *capfd.readouterr(),
    ]
    text = "\n".join(told)
    # First that the run was what it should be: faults struck, and all that is written was caught.
    assert [scheduler.ends[key][0] for key in bad] == [TaskInstanceState.FAILED] * len(bad)
    assert f"raised {error}" in text
    assert "A bug of the executor in the fleet's thread" in text
    assert "botocore" in text
    assert "DescribeTasks" in text
    assert "No ECS task was launched" in text
    assert "fargate_executor.launches" in text
    assert "No clear answer to RunTask" in text
    # And then that nothing of it is a secret.
    found = [line for line in text.splitlines() if MARKER in line or any(token in line for token in tokens)]
    assert found == []
    assert SIGNED_WITH not in text


def test_secrets_would_be_found(fargate, start, written, monkeypatch):
    """Without the filter that keeps bodies out of botocore's own log, the same search finds them."""
    monkeypatch.setattr(clients, "_without_bodies", lambda record: True)
    for name in clients.LOGGERS_OF_BODIES:  # Which keep the filter of an executor that was started before.
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    scheduler, tokens = start(), set()
    queue(scheduler, make_key("task"), wishes(0), tokens)
    scheduler.until(lambda: scheduler.ends)
    text = written()
    assert MARKER in text
    assert all(token in text for token in tokens)


def test_an_adoption_tells_nothing(fargate, start, written, capfd):
    """What another scheduler's containers carry in their overrides is read, and not written."""
    fargate.adjust(pretend={"duration": 3})
    first, tokens = start(), set()
    keys = [make_key(f"task{number}") for number in range(3)]
    for number, key in enumerate(keys):
        queue(first, key, wishes(number), tokens)
    first.until(lambda: len(fargate.tasks()) == len(keys))
    first.executor.end()
    second = start()
    assert not adopt(second.executor, [make_candidate(key, time.time() - 60) for key in keys])
    adopted = second.executor.debug_state()
    second.until(lambda: len(second.ends) == len(keys))
    text = "\n".join([repr(adopted), repr(second.ends), written(), *capfd.readouterr()])
    assert "DescribeTasks" in text
    assert MARKER not in text
    assert not any(token in text for token in tokens)


@pytest.mark.parametrize("executor_config", [wishes(0), *REFUSED.values()], ids=["right", *REFUSED])
def test_what_crosses_the_threads_hides_what_it_carries(executor_config):
    """A launch can be shown in any log."""
    launch = Launch(
        make_key("task"), make_key("task"), command=("run", MARKER), executor_config=executor_config
    )
    assert MARKER not in f"{launch!r} {launch} {launch.without_workload()!r}"


def test_a_connection_is_not_shown(start, monkeypatch):
    """What is wrong with a connection is told without its password or its extras."""
    monkeypatch.setenv("AIRFLOW_CONN_OURS", f"aws://{MARKER}:{MARKER}@/?extra={MARKER}&broken=%")
    monkeypatch.setenv("AIRFLOW__FARGATE__CONN_ID", "ours")
    with pytest.raises(ConfigError) as caught:
        start()
    assert "conn_id" in str(caught.value)
    assert MARKER not in f"{caught.value} {caught.value!r}"

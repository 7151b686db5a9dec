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

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tools.simulator.timers import Timers


def test_concurrent_calls_of_all_kinds(account):
    """16 callers at once: ours and moto's calls all succeed, and no task is lost or there twice."""
    account.fargate.configure(pretend={"duration": [0, 0.2]})

    def caller(number):
        arns = []
        for _ in range(10):
            arns.append(account.run(startedBy=f"caller-{number}"))
            account.ecs.describe_tasks(cluster=account.cluster, tasks=arns)
            account.list(startedBy=f"caller-{number}")
            account.ecs.describe_task_definition(taskDefinition=account.task_definition)
            account.logs.describe_log_groups()
        account.stop(arns[-1])
        return arns

    with ThreadPoolExecutor(16) as pool:
        arns = [arn for found in pool.map(caller, range(16)) for arn in found]
    assert len(set(arns)) == 160
    started = [
        entry for entry in account.fargate.ledger() if entry.get("startedBy", "").startswith("caller-")
    ]
    assert {entry["taskArn"] for entry in started} == set(arns)


def test_real_containers_at_once(account):
    """Ten processes that start together each have their own output and exit code."""
    with ThreadPoolExecutor(10) as pool:
        tasks = list(
            pool.map(lambda code: account.end_of("sh", "-c", f"echo {code}; exit {code}"), range(10))
        )
    assert [task["containers"][0]["exitCode"] for task in tasks] == list(range(10))
    assert [account.output(task["taskArn"]) for task in tasks] == [[str(code)] for code in range(10)]


def test_one_token_from_many_callers_starts_one_task(account):
    """However the calls meet, they all get the same task."""
    request = account.request("true", clientToken="one-for-all")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: account.ecs.run_task(**request), range(8)))
    assert len({answer["tasks"][0]["taskArn"] for answer in answers}) == 1


class TestTimers:
    @pytest.fixture
    def timers(self):
        timers = Timers()
        timers.start()
        yield timers
        timers.close()

    def test_in_the_order_of_their_time(self, timers):
        """What is due first is called first, however it was put in; equals keep their order."""
        called, done = [], threading.Event()
        timers.after(0.1, done.set)
        for name, seconds in [("late", 0.06), ("early", 0.02), ("late too", 0.06), ("now", 0)]:
            timers.after(seconds, lambda name=name: called.append(name))
        assert done.wait(2)
        assert called == ["now", "early", "late", "late too"]

    def test_a_failure_is_told_and_does_not_stop_the_rest(self, timers, caplog):
        """The thread lives on, and the log has the traceback."""
        done = threading.Event()
        timers.after(0, lambda: 1 / 0)
        timers.after(0.01, done.set)
        assert done.wait(2)
        assert "ZeroDivisionError" in caplog.text

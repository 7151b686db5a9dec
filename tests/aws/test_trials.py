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
"""How ``scripts/aws/verify`` goes from one trial to the next."""

from __future__ import annotations

import pytest
from tools.aws.inside.account import STOP_REASON, Account
from tools.aws.inside.questions import QUESTIONS
from tools.aws.inside.running import chosen
from tools.aws.inside.settings import Settings
from tools.aws.inside.trial import AS_EXPECTED, OTHERWISE, Seen, Trial
from tools.aws.inside.trials import TRIALS

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html, member ``overrides``
from tests.aws.inside_fakes import ENVIRONMENT, FakeEcs, bench_of, ecs_task, rows_of


@pytest.fixture
def settings():
    return Settings.read(ENVIRONMENT)


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

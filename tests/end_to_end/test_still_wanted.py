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

"""
Launches that are not wanted any more, with two schedulers: the database says what is.

Nothing here is as fast as the machine has to be: moments that Airflow would wait for are moved in the database.
"""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from contextlib import contextmanager, suppress

import psutil
import pytest
from tools.harness.dag_run import DagRun
from tools.harness.processes import HarnessError, wait_until
from tools.harness.schedulers import LogPart

FIRST, SECOND = "scheduler", "second scheduler"
#: Seconds that anything is waited for.
PATIENCE = 120
#: Longer than any test lasts.
NEVER = 1000.0
NO_CAPACITY = {"kind": "capacity"}
# One slot each; and what the executor waits ten minutes for comes within seconds.
SETTINGS = {
    "AIRFLOW__CORE__PARALLELISM": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "EXECUTOR_TIMES": json.dumps({"present.ENDING": 5.0, "fleet.adoption.CONSISTENCY": 10.0}),
}


def start_scheduler(airflow, called, env=None):
    """Start a scheduler; return what it writes."""
    part = LogPart(airflow.logs / f"{called}.log")
    airflow.start_component("scheduler", called=called, env=env)
    return part


def rows(deployment, run):
    """Return the task instances of a run, by their tasks."""
    found = deployment.airflow.database.task_instances(run.dag_id, run.run_id)
    return {row.task_id: row for row in found}


def wait_for(what, condition, timeout=PATIENCE):
    return wait_until(condition, timeout=timeout, what=what, every=0.2)


def wait_for_states(deployment, run, **states):
    """Wait until the task instances are in these states: a state, or a try and a state."""

    def there():
        now = rows(deployment, run)
        return all(
            task_id in now and wanted in (now[task_id].state, (now[task_id].try_number, now[task_id].state))
            for task_id, wanted in states.items()
        )

    try:
        wait_for(f"{run.dag_id} to be {states}", there)
    except HarnessError as error:
        now = {name: (row.try_number, row.state) for name, row in rows(deployment, run).items()}
        raise HarnessError(f"{error}; it is {now}") from error


def containers(run):
    """Return the ids of a run's ECS tasks."""
    return {launch.container for launch in run.launches()}


def calls_of_run_task(fargate):
    return sum(fargate.calls().get("RunTask", {}).values())


def check_code_ran_once(witness, run, launches):
    """The code of these launches, and of no others of the run, has begun, once."""
    assert witness.runs(run.run_id) == {launch.id: 1 for launch in launches}


# A scheduler that stood still.


def stop_without_locks(airflow, scheduler):
    """Stop a scheduler where it is in no transaction: the other one would wait for its locks."""

    def stopped():
        scheduler.ask_to_end(signal.SIGSTOP)
        wait_for("it to stop", lambda: psutil.Process(scheduler.pid).status() == psutil.STATUS_STOPPED)
        held = airflow.database.open_transactions()
        with suppress(HarnessError):
            # Those of others end.
            return wait_for("an end", lambda: not held & airflow.database.open_transactions(), timeout=2)
        scheduler.ask_to_end(signal.SIGCONT)
        return False

    wait_for("the scheduler to be in no transaction", stopped)


def check_each_has_its_own_arn(deployment, run):
    """What is stored of each task instance is its running ECS task."""
    ids = {launch.name: launch.container for launch in run.launches() if launch.stop_code is None}
    stored = {name: row.external_id.rsplit("/", 1)[-1] for name, row in rows(deployment, run).items()}
    assert stored == ids


@pytest.mark.usefixtures("same_on_all_releases")
def test_a_scheduler_that_stood_still_launches_nothing_stale(deployment, witness):
    """
    What waited in it and was launched by the other one meanwhile is neither launched nor told, and no code runs twice.

    It takes more than a minute: twice a scheduler has to be found to be gone before the other one adopts.
    """
    airflow, fargate = deployment.airflow, deployment.fargate
    fargate.client("ecs").create_cluster(clusterName="elsewhere", capacityProviders=["FARGATE"])
    run = DagRun(deployment, "witness_elsewhere", "stood-still")
    fargate.adjust(faults=[NO_CAPACITY])
    asked = calls_of_run_task(fargate)
    run.trigger()
    wait_for_states(deployment, run, here=(1, "queued"), elsewhere=(1, "queued"))
    # AWS has refused both: until the next probe, seconds later, no call is being made that a stop could delay.
    wait_for("two launches that wait", lambda: calls_of_run_task(fargate) >= asked + 2)
    first = airflow.scheduler
    stop_without_locks(airflow, first)
    try:
        fargate.adjust(faults=[])
        start_scheduler(airflow, SECOND)
        wait_for_states(deployment, run, here="running", elsewhere="running")
        assert {row.try_number for row in rows(deployment, run).values()} == {2}
        launched = containers(run)
        back = LogPart(first.log)
        first.ask_to_end(signal.SIGCONT)
        back.wait_for_looks(3)
        assert containers(run) == launched
        check_each_has_its_own_arn(deployment, run)
        # The first one, which came back, adopts what the second one leaves, wherever it is.
        airflow.processes.pop(SECOND).kill()
        back.wait_until_adopted(2)
        witness.release(run.run_id)
        run.follow(timeout=PATIENCE)
        result = run.result()
        assert {row.state for row in result.task_instances} == {"success"}
        check_code_ran_once(witness, run, result.launches)
        assert Counter((launch.name, launch.try_number) for launch in result.launches) == {
            ("here", 2): 1,
            ("elsewhere", 2): 1,
        }
    finally:
        first.ask_to_end(signal.SIGCONT)
        witness.release(run.run_id)
        if SECOND in airflow.processes:
            airflow.remove(SECOND)


# Two schedulers with a slot each.


class Pair:
    """Two schedulers, both of which run while a test does."""

    def __init__(self, deployment):
        self._airflow, self._fargate = deployment.airflow, deployment.fargate
        self.logs = {}

    def be_there(self):
        """Start what does not run, and have the local Fargate as it was at its start."""
        self._fargate.reset()
        for called in {FIRST, SECOND} - self._airflow.processes.keys():
            self.logs[called] = start_scheduler(self._airflow, called, SETTINGS)
        for part in self.logs.values():
            part.wait_until_started()

    def leave_nothing(self):
        """Begin anew where a test has left something, so that the next one is judged by itself."""
        live = [task["taskArn"] for task in self._fargate.tasks() if task["lastStatus"] != "STOPPED"]
        if live or self._airflow.database.runs_under_way():
            self.end()
            self._airflow.database.fail_runs()
        for arn in live:
            self._fargate.client("ecs").stop_task(cluster=arn.split("/")[1], task=arn)

    def end(self):
        for called in {FIRST, SECOND} & self._airflow.processes.keys():
            self._airflow.remove(called)


@pytest.fixture(scope="module")
def schedulers(same_on_all_releases, shared_deployment):
    pair = Pair(shared_deployment)
    if FIRST in shared_deployment.airflow.processes:
        shared_deployment.airflow.remove(FIRST)
    yield pair
    pair.end()


@pytest.fixture
def pair(schedulers):
    schedulers.be_there()
    yield schedulers
    schedulers.leave_nothing()


@pytest.fixture
def paired(pair, shared_deployment):
    """The deployment that the tests share, with two schedulers."""
    return shared_deployment


# An ECS task that hangs.


@contextmanager
def hanging(deployment, run, task_id):
    """Have the processes of a task's one ECS task hang, and return them; afterwards they can end at once."""
    (container,) = (launch.container for launch in run.launches() if launch.task_id == task_id)
    main = psutil.Process(deployment.fargate.pid(container))
    processes = [main, *main.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield processes
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def wait_until_stopped(run, container):
    """Wait until AWS is asked to stop an ECS task."""
    (launch,) = wait_for(
        "the ECS task that hangs to be stopped",
        lambda: [each for each in run.launches() if each.container == container and each.stop_code],
    )
    assert launch.stop_code == "UserInitiated"


def test_an_ecs_task_that_hangs_is_stopped_though_its_next_try_runs(paired, witness):
    """Airflow misses its heartbeats, and a user has it run again; the scheduler that lives stops what hangs, and that alone."""
    run = DagRun(paired, "witness_hangs", "misses-heartbeats")
    run.trigger()
    try:
        wait_for("its code to begin", lambda: witness.runs(run.run_id))
        (first,) = containers(run)
        with hanging(paired, run, "hangs"):

            def has_failed():
                # A heartbeat may have been on its way.
                paired.airflow.database.let_heartbeats_be_missed(run.dag_id, run.run_id)
                return rows(paired, run)["hangs"].state == "failed"

            # A retry would be the end of the scheduler of 3.4.0b2: it sends a callback, which closes its session, and
            # then stores the next try beside the present one (IntegrityError).
            wait_for("the try to fail", has_failed)
            paired.airflow.api.clear(run.dag_id, run.run_id, "hangs")
            wait_for_states(paired, run, hangs=(2, "running"))
            wait_until_stopped(run, first)
        assert rows(paired, run)["hangs"].state == "running"
    finally:
        witness.release(run.run_id)
    run.follow(timeout=PATIENCE)
    result = run.result()
    assert result.state == "success"
    assert Counter(launch.try_number for launch in result.launches) == {1: 1, 2: 1}
    check_code_ran_once(witness, run, result.launches)


def test_an_ecs_task_of_a_run_that_timed_out_gives_its_slot_back_and_is_stopped(paired, witness):
    """Airflow's dagrun_timeout says nothing to the executor."""
    run = DagRun(paired, "witness_hangs", "timed-out")
    others = DagRun(paired, "witness_two", "needs-both-slots")
    run.trigger()
    try:
        wait_for("its code to begin", lambda: witness.runs(run.run_id))
        (first,) = containers(run)
        with hanging(paired, run, "hangs"):
            paired.airflow.database.let_run_be_late(run.dag_id, run.run_id)
            wait_for("the run to time out", lambda: run.state == "failed")
            assert rows(paired, run)["hangs"].state == "skipped"
            others.trigger()
            wait_for_states(paired, others, first="running", second="running")
            wait_until_stopped(run, first)
    finally:
        witness.release(run.run_id)
        witness.release(others.run_id)
    others.follow(timeout=PATIENCE)
    assert others.result().problems() == []
    assert len(run.result().launches) == 1


# A running task instance that the user clears.


def test_a_running_task_instance_that_the_user_clears(paired, witness, release):
    """
    It is restarting until its end is known, here from the executor alone; then its next try has the slot that it had.

    The other slot is that of a task instance that runs meanwhile.
    """
    if not release.has_loops:
        pytest.skip("from 3.4 on")
    run = DagRun(paired, "witness_two", "cleared-while-it-runs")
    run.trigger()
    try:
        wait_for("their code to begin", lambda: len(witness.runs(run.run_id)) == 2)
        with hanging(paired, run, "first") as processes:
            paired.airflow.api.clear(run.dag_id, run.run_id, "first")
            assert rows(paired, run)["first"].state == "restarting"
            for process in processes:
                process.kill()
        wait_for_states(paired, run, first=(2, "running"), second=(1, "running"))
    finally:
        witness.release(run.run_id)
    run.follow(timeout=PATIENCE)
    result = run.result()
    assert result.state == "success"
    launches = Counter((launch.name, launch.try_number) for launch in result.launches)
    assert launches == {("first", 1): 1, ("first", 2): 1, ("second", 1): 1}
    check_code_ran_once(witness, run, result.launches)


# Launches that the user does not want any more.

HELD_BACK = {
    "wait for capacity": {"faults": [NO_CAPACITY]},
    "are on their way": {"provisioning_time": NEVER},
}
#: What is said of the one that was marked.
TOLD = {
    "wait for capacity": "The task instance was marked success before its ECS task was launched",
    "are on their way": "The task instance was marked success while its ECS task was starting",
}


def asks_for(name, value):
    """Return a gate that RunTask comes to whose ECS task is for this: what comes is held."""
    return {"operation": "RunTask", "holds": "call", "containing": f'\\"{name}\\":\\"{value}\\"'}


@pytest.mark.parametrize("launches", HELD_BACK)
def test_launches_that_the_user_does_not_want_any_more(paired, witness, launches):
    """They ask for capacity no more, their slots are free, what was on its way is stopped, and none of them runs."""
    fargate, api = paired.fargate, paired.airflow.api
    on_their_way = launches == "are on their way"
    named = launches.replace(" ", "-")
    ours, deleted, later = (
        DagRun(paired, dag_id, f"{what}-{named}")
        for what, dag_id in (
            ("ours", "witness_two"),
            ("deleted", "witness_waits"),
            ("later", "witness_waits"),
        )
    )
    fargate.adjust(**HELD_BACK[launches])
    asked = calls_of_run_task(fargate)
    try:
        ours.trigger()
        wait_for_states(paired, ours, first=(1, "queued"), second=(1, "queued"))
        wait_for(
            "RunTask",
            lambda: len(containers(ours)) == 2 if on_their_way else calls_of_run_task(fargate) > asked,
        )
        api.mark(ours.dag_id, ours.run_id, "first", "success")
        deleted.trigger()
        wait_for_states(paired, deleted, waits="queued")  # In the slot of what was marked.
        wait_for("its ECS task", lambda: containers(deleted) or not on_their_way)
        fargate.adjust(provisioning_time=0.2)
        api.fail_run(deleted.dag_id, deleted.run_id)
        api.delete_run(deleted.dag_id, deleted.run_id)
        api.clear(ours.dag_id, ours.run_id, "second")
        later.trigger()
        # In the slots of what was deleted, and of what was cleared.
        state = "running" if on_their_way else "queued"
        wait_for_states(paired, ours, second=(2, state))
        wait_for_states(paired, later, waits=state)
        fargate.hold(marked=asks_for("task_id", "first"), deleted=asks_for("run_id", deleted.run_id))
        fargate.adjust(faults=[])
        wait_for_states(paired, ours, second=(2, "running"))
        wait_for_states(paired, later, waits=(1, "running"))
        assert fargate.held() == {"marked": 0, "deleted": 0}
    finally:
        for run in (ours, deleted, later):
            witness.release(run.run_id)
        fargate.hold()
    for run in (ours, later):
        run.follow(timeout=PATIENCE)
    assert later.result().problems() == []
    assert {row.state for row in ours.result().task_instances} == {"success"}
    launched = {
        (launch.name, launch.try_number): launch for launch in [*ours.launches(), *deleted.launches()]
    }
    present = launched.pop(("second", 2))
    check_code_ran_once(witness, ours, [present])
    stopped = [("first", 1), ("second", 1), ("waits", 1)] if on_their_way else []
    assert sorted(launched) == stopped
    events = api.events(ours.dag_id, ours.run_id)
    assert any(TOLD[launches] in str(event["extra"]) for event in events if event["task_id"] == "first")
    for launch in launched.values():
        assert (launch.started, launch.stop_code) == (None, "UserInitiated")


# An end that is read too early.

REFUSED = {
    "kind": "error",
    "operation": "RunTask",
    "code": "InvalidParameterException",
    "message": "The subnets are not there.",
    "status": 400,
}


def test_an_end_that_airflow_could_not_take_is_told_again(pair, paired):
    """Airflow drops the end of a launch while another session holds the lock on the row, and is told it once more."""
    run = DagRun(paired, "witness_one", "refused")
    paired.fargate.adjust(faults=[REFUSED])
    paired.fargate.hold(refused=asks_for("run_id", run.run_id))
    run.trigger()
    wait_for("RunTask", lambda: paired.fargate.held()["refused"])
    with paired.airflow.database.locked(run.dag_id, run.run_id, "work"):
        read = re.compile(rf"executor event with state failed .*run_id='{run.run_id}'")
        paired.fargate.hold()
        (part,) = wait_for(
            "the end to be read", lambda: [p for p in pair.logs.values() if read.search(p.text)]
        )
        part.wait_for_looks()  # By then it is dropped.
    run.follow(timeout=PATIENCE)
    assert [row.state for row in rows(paired, run).values()] == ["failed"]
    assert run.launches() == []

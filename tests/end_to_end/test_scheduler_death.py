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

import os
import random
import re
import signal
import time
from collections import Counter

import pytest
from tools.harness.dag_run import FINISHED, STOP_TIMEOUT, DagRun
from tools.harness.processes import wait_until

# As long as Kubernetes, systemd or ECS would wait at least before they kill it.
SECONDS_TO_GO = 20
# The moments of the kills; the message of a test that fails says it, too.
SEED = 20261122
SECOND = "second scheduler"
# Fewer than there are tasks at a time, so that each of two schedulers has some; one slot is that of the task which is stuck.
FEW_SLOTS = {"AIRFLOW__CORE__PARALLELISM": "3"}
# What a scheduler says of each.
LOOK_FOR_ORPHANS = "Adopting or resetting orphaned tasks"
# Longer than it takes until a container that nobody wants is found and stopped.
SLOW_START = 20
# Longer than it takes until the next launch has run.
SLOW_STOP = 90


def running(count):
    """Return a condition: so many task instances of the run run."""
    return lambda task_instances: sum(ti.state == "running" for ti in task_instances) >= count


def log_of(scheduler):
    return scheduler.log.read_text(errors="replace")


def adopted(scheduler):
    """Return how many containers a scheduler, and those before it that wrote to the same log, say they took over."""
    return sum(map(int, re.findall(r"Adopted (\d+) task instances", log_of(scheduler))))


def has_started(scheduler, since=0):
    """Say whether a scheduler has started the executor, by its log after so many bytes."""
    return b"FargateExecutor: cluster" in scheduler.log.read_bytes()[since:]


def replace(deployment, **options):
    """Start the next scheduler, and wait until its executor has started."""
    log = deployment.airflow.logs / "scheduler.log"
    size = log.stat().st_size
    scheduler = deployment.airflow.start_component("scheduler", **options)
    wait_until(
        lambda: has_started(scheduler, size), timeout=60, what="the next scheduler to start", every=0.1
    )
    return scheduler


def wait_until_adopted(scheduler, count, before):
    """Wait until the scheduler, and those before it, say that they took over so many containers more than before."""
    wait_until(
        lambda: adopted(scheduler) - before >= count, timeout=120, what=f"{count} containers to be adopted"
    )


def live(run):
    return [launch for launch in run.launches() if not launch.finished and not launch.stopped]


def check_every_task_succeeded(result):
    assert [ti for ti in result.task_instances if ti.state != "success"] == []
    assert result.state == "success"


def check_each_launch_ran_once(result, witness, *, never=()):
    """No launch has two containers, and user code has run once in each, but for the launches that were abandoned."""
    assert Counter(launch.id for launch in result.launches).most_common(1)[0][1] == 1
    assert witness.runs(result.run_id) == {
        launch.id: 1 for launch in result.launches if launch.id not in never
    }


def check_everything_ran_once(result, witness):
    """Every task instance succeeded in one launch, with one container, in which its code ran once."""
    check_every_task_succeeded(result)
    check_each_launch_ran_once(result, witness)
    launches = Counter(launch.name for launch in result.launches)
    assert launches == dict.fromkeys((ti.name for ti in result.task_instances), 1)


# A task whose container cannot start is queued for too long while other tests run.


@pytest.fixture(scope="session", autouse=True)
def stuck(shared_deployment):
    """A run of one task whose first container does not start, and is slow to stop; the next one does start."""
    shared_deployment.airflow.revive()
    shared_deployment.fargate.adjust(provisioning_time=1000, stopping_time=SLOW_STOP)
    run = DagRun(shared_deployment, "witness_one", "stuck")
    run.trigger()
    wait_until(run.launches, timeout=60, what="the container that does not start")
    shared_deployment.fargate.reset()
    return run


# Killed at random.


@pytest.mark.usefixtures("same_on_all_releases")
@pytest.mark.parametrize("seed", [SEED])
def test_schedulers_killed_at_random_moments_lose_nothing(deployment, witness, scale, seed):
    """Whatever state their tasks are in, every one succeeds, its code has run once, and no launch had two containers."""
    draw = random.Random(seed)
    run = DagRun(deployment, "witness_random", f"killed-at-random-{seed}")
    run.trigger()
    for _ in range(scale[1]):
        moment = time.monotonic() + draw.uniform(0, 8)
        run.follow(until=lambda _, moment=moment: time.monotonic() >= moment)
        assert run.state not in FINISHED
        deployment.airflow.scheduler.kill()
        replace(deployment)
    witness.release(run.run_id)
    run.follow(timeout=600)
    result = run.result()
    check_every_task_succeeded(result)
    given_up = {launch.id for launch in result.launches if launch.stop_code == "UserInitiated"}
    check_each_launch_ran_once(result, witness, never=given_up)
    ran = Counter(launch.name for launch in result.launches if launch.id not in given_up)
    assert ran == dict.fromkeys((ti.name for ti in result.task_instances), 1)
    assert len(result.task_instances) == scale[0]
    assert adopted(deployment.airflow.scheduler) > 0


# Killed at one moment.

# What a gate of the local Fargate holds, so that the scheduler dies at exactly that moment in a launch.
HELD = {
    "never_sent": "call",
    "sent_late": "call",
    "unanswered": "answer",
    "answered": "answer",
    "skipped": "answer",
    "resumes": "answer",
}


def gate(name, **members):
    """Return a gate that RunTask for a task of this name has to go through."""
    identity = f'\\"task_id\\":\\"{name}\\"'
    return {"operation": "RunTask", "holds": HELD[name], "containing": identity, **members}


class Moments:
    """Two runs of the same id whose tasks are each held at the moment that they are for."""

    def __init__(self, deployment, run_id):
        self.run_id = run_id
        self.airflow = deployment.airflow
        self.fargate = deployment.fargate
        self.runs = [DagRun(deployment, dag_id, run_id) for dag_id in ("witness_resumes", "witness_moments")]
        self.gates = {}

    def reach(self):
        """Let every task come to its moment."""
        self.runs[0].trigger()
        wait_until(
            lambda: self.launches("resumes"), timeout=90, what="the launch that is to defer", every=0.1
        )
        self.gates = {name: gate(name) for name in HELD}
        self.fargate.hold(**self.gates)
        wait_until(lambda: self.fargate.held()["resumes"], timeout=90, what="the launch after a defer")
        self.runs[1].trigger()
        wait_until(lambda: all(self.fargate.held().values()), timeout=90, what="all gates to hold a call")
        wait_until(lambda: self.row("runs").state == "running", timeout=60, what="a task that runs")

    def open(self, name):
        """Let go what is held for a task."""
        del self.gates[name]
        self.fargate.hold(**self.gates)

    def drop(self, *names):
        """Let nobody have an answer who waits for one."""
        self.fargate.hold(**self.gates | {name: gate(name, drop=True) for name in names})
        for name in names:
            self.open(name)

    def rows(self):
        runs = [self.airflow.database.task_instances(run.dag_id, run.run_id) for run in self.runs]
        return {row.task_id: row for rows in runs for row in rows}

    def row(self, name):
        return self.rows().get(name)

    def launches(self, name, try_number=None):
        of_both = self.runs[0].launches()  # Of any run with this id.
        return [each for each in of_both if each.name == name and try_number in (None, each.try_number)]

    def stores(self, name):
        """Say whether the database knows the container of a task's latest launch."""
        return self.launches(name)[-1].container in (self.row(name).external_id or "")

    def results(self):
        """Return how both runs ended."""
        for run in self.runs:
            run.follow(timeout=240)
        return [run.result() for run in self.runs]


def wait_until_skipped(moments, scheduler):
    """Wait until Airflow has read the ARN of a container and has left it, since another transaction has the row."""
    told = rf"ECS task \S+{moments.launches('skipped')[-1].container} is for .*skipped[\s\S]*event with state running"
    wait_until(
        lambda: re.search(told, log_of(scheduler)), timeout=30, what="the event that is skipped", every=0.1
    )


def answered(moments):
    """Return how many calls of RunTask have had an answer."""
    return moments.fargate.calls()["RunTask"].get("ok", 0)


def die_at_all_moments(moments):
    """
    Kill the scheduler while one launch each is at each of the moments.

    What is held before its call has not been carried out: for AWS, and for whoever comes next, it was never made.
    """
    airflow, run = moments.airflow, moments.runs[1]
    with airflow.database.locked(run.dag_id, run.run_id, "skipped"):
        moments.open("skipped")
        wait_until_skipped(moments, airflow.scheduler)
        airflow.scheduler.ask_to_end(signal.SIGSTOP)
        before = answered(moments)
        moments.open("answered")  # The answer reaches a process that does nothing with it any more.
        wait_until(lambda: answered(moments) > before, timeout=60, what="an answer", every=0.05)
        airflow.scheduler.kill()
    assert not any(moments.stores(name) for name in ("unanswered", "answered", "skipped", "resumes"))
    assert len(moments.launches("resumes")) == 2
    assert moments.launches("never_sent") == moments.launches("sent_late") == []
    moments.drop("never_sent", "unanswered", "resumes")


@pytest.mark.parametrize("aws", ["cannot be asked", "answers"])
def test_a_scheduler_killed_at_any_moment_of_a_launch_is_replaced(request, witness, release, aws):
    """
    What AWS has started is adopted; what it has not is launched anew, and what it starts after all is stopped.

    It takes two minutes: a scheduler is found to be gone after seconds, only then counts that a launch has no ECS task, and each
    of nine containers loads Airflow.
    """
    if aws == "cannot be asked":
        request.getfixturevalue("same_on_all_releases")
    deployment = request.getfixturevalue("deployment")
    moments = Moments(deployment, f"moments-aws-{aws.replace(' ', '-')}")
    moments.reach()
    if release.line in ("2.11", "3.0", "3.1"):  # Later ones store an id of the launch when they queue it.
        assert moments.launches("resumes")[0].container in moments.row("resumes").external_id
    die_at_all_moments(moments)
    before = adopted(deployment.airflow.scheduler)
    if aws == "cannot be asked":
        check_that_nothing_is_reset_while_aws_cannot_be_asked(moments)
    else:
        replace(deployment)
    # The one that comes late, and its successor, too: so it is queued still when the late one is found.
    deployment.fargate.adjust(provisioning_time=SLOW_START)
    # That it has no ECS task counts only some time after the last moment at which it could have been launched.
    wait_until(lambda: moments.row("sent_late").try_number == 2, timeout=180, what="a launch to be reset")
    moments.open("sent_late")
    for number, what in ((1, "the container that is late"), (2, "that of its successor")):
        wait_until(lambda number=number: moments.launches("sent_late", number), timeout=10, what=what)
    deployment.fargate.reset()
    if aws == "answers":  # Else they are kept, and taken over one by one as AWS tells of them.
        wait_until_adopted(deployment.airflow.scheduler, 5, before)
    witness.release(moments.run_id)
    results = moments.results()
    for result in results:
        check_every_task_succeeded(result)
    (late,) = moments.launches("sent_late", 1)
    check_each_launch_ran_once(results[0], witness, never={late.id})
    assert Counter((launch.name, launch.try_number) for launch in results[0].launches) == {
        ("never_sent", 2): 1,
        ("sent_late", 1): 1,
        ("sent_late", 2): 1,
        ("unanswered", 1): 1,
        ("answered", 1): 1,
        ("skipped", 1): 1,
        ("resumes", 1): 2,
        ("runs", 1): 1,
    }
    assert (late.started, late.stop_code) == (None, "UserInitiated")
    assert late.stopped_reason == "Airflow has abandoned the launch"


def check_that_nothing_is_reset_while_aws_cannot_be_asked(moments):
    """Let the successor take over while every call fails, for some of Airflow's looks for orphans."""
    moments.fargate.adjust(faults=[{"kind": "server_error", "operation": "*", "status": 503}])
    scheduler = moments.airflow.start_component("scheduler")
    kept = "It is not known yet which of"
    wait_until(lambda: kept in log_of(scheduler), timeout=90, what="the successor to give up waiting for AWS")
    looks = log_of(scheduler).count(LOOK_FOR_ORPHANS)
    wait_until(
        lambda: log_of(scheduler).count(LOOK_FOR_ORPHANS) >= looks + 3, timeout=60, what="further looks"
    )
    for name, row in moments.rows().items():
        assert row.try_number == 1, f"{name} was reset"
        assert row.state in ("queued", "running", "success"), f"{name} is {row.state}"
    moments.fargate.adjust(faults=[])


# What no scheduler has noted.


@pytest.mark.parametrize("killed_under", ["no scheduler", "the next scheduler"])
def test_a_log_has_the_ecs_task_of_which_a_killed_scheduler_was_not_told(deployment, killed_under):
    """The scheduler dies before RunTask's answer comes; the try's log names the ECS task, and says why it has ended."""
    airflow, fargate = deployment.airflow, deployment.fargate
    airflow.add_user()
    fargate.hold(started={"operation": "RunTask", "holds": "answer", "containing": "witness_hangs"})
    run = DagRun(deployment, "witness_hangs", f"killed-under-{killed_under.replace(' ', '-')}")
    run.trigger()
    wait_until(lambda: fargate.held()["started"], timeout=60, what="an ECS task that nobody has been told of")
    airflow.scheduler.kill()
    fargate.hold()
    (launch,) = run.launches()
    row = lambda: airflow.database.task_instances(run.dag_id, run.run_id)[0]
    if killed_under == "the next scheduler":
        replace(deployment)
        wait_until(lambda: launch.container in (row().external_id or ""), timeout=60, what="it to be adopted")
    wait_until(lambda: row().state == "running", timeout=60, what="the task to run")
    os.kill(fargate.pid(launch.container), signal.SIGKILL)
    airflow.revive()
    ecs_task, reason = f":task/airflow/{launch.container}", "Container airflow exited with code 137."
    read = lambda: airflow.api.log(run.dag_id, run.run_id, "hangs")
    wait_until(lambda: ecs_task in read() and reason in read(), timeout=60, what="a log with both")
    airflow.api.fail_run(run.dag_id, run.run_id)  # Airflow 2 believes for minutes that what was killed runs.
    assert run.follow(timeout=120) == "failed"


# Two schedulers.


@pytest.mark.usefixtures("same_on_all_releases")
def test_one_of_two_schedulers_is_killed(deployment, witness):
    """The other one adopts what it has left, and neither has stopped a container of the other's."""
    airflow = deployment.airflow
    airflow.remove("scheduler")
    try:
        replace(deployment, env=FEW_SLOTS)
        second = airflow.start_component("scheduler", called=SECOND, env=FEW_SLOTS)
        wait_until(lambda: has_started(second), timeout=60, what="the second scheduler to start", every=0.1)
        run = DagRun(deployment, "witness_waves", "two-schedulers")
        run.trigger()
        run.follow(until=lambda _: len({launch.scheduler for launch in live(run)}) == 2, timeout=120)
        assert run.state not in FINISHED, "only one of them has launched anything"
        # A scheduler's name begins with the number of its job: the second scheduler began later.
        last = max(live(run), key=lambda launch: launch.queued).scheduler
        first_dies = last == min({launch.scheduler for launch in live(run)}, key=job_number)
        survivor = second if first_dies else airflow.scheduler
        before = adopted(survivor)
        left = [launch for launch in live(run) if launch.scheduler == last]
        airflow.processes.pop("scheduler" if first_dies else SECOND).kill()
        assert left
        wait_until_adopted(survivor, len(left), before)
        witness.release(run.run_id)
        run.follow(timeout=240)
        result = run.result()
        check_everything_ran_once(result, witness)
        assert len({launch.scheduler for launch in result.launches}) == 2
        assert {launch.stop_code for launch in result.launches} == {"EssentialContainerExited"}
    finally:
        for called in {"scheduler", SECOND} & airflow.processes.keys():
            airflow.remove(called)
        airflow.revive()


def job_number(scheduler):
    return int(scheduler.partition("@")[0])


# A deployment.


@pytest.mark.usefixtures("same_on_all_releases")
def test_a_scheduler_that_is_told_to_go_leaves_its_containers_alone(deployment, witness):
    """It is gone within 20 s of SIGTERM though AWS owes it an answer, no running container stops, and the next one adopts all."""
    third = {"operation": "RunTask", "holds": "answer", "containing": '\\"map_index\\":2'}
    deployment.fargate.hold(third=third)
    run = DagRun(deployment, "witness_many", "terminated")
    run.trigger()
    run.follow(until=running(2), timeout=120)
    wait_until(lambda: deployment.fargate.held()["third"], timeout=30, what="a launch that waits")
    scheduler = deployment.airflow.scheduler
    before, taken = live(run), adopted(scheduler)
    began = time.monotonic()
    scheduler.ask_to_end()
    assert scheduler.wait(SECONDS_TO_GO), f"it still runs after {time.monotonic() - began:.0f} s"
    scheduler.kill()
    deployment.fargate.hold()
    replace(deployment)
    wait_until_adopted(deployment.airflow.scheduler, len(before), taken)
    witness.release(run.run_id)
    run.follow(timeout=240)
    result = run.result()
    check_everything_ran_once(result, witness)
    after = {launch.container: launch for launch in result.launches}
    assert len(before) == 3
    assert {after[launch.container].stop_code for launch in before} == {"EssentialContainerExited"}


# The queued timeout.


@pytest.mark.waits_for_stuck
def test_a_task_that_is_queued_for_too_long_is_revoked_and_nothing_is_left(deployment, witness, stuck):
    """
    Its container, adopted again and again meanwhile, is stopped before it runs anything, and its next launch succeeds.

    The end of the first one, which comes after that, does not harm it.
    """
    stuck.follow(timeout=420)
    result = stuck.result(SLOW_STOP + STOP_TIMEOUT)
    check_every_task_succeeded(result)
    first, *_, last = result.launches
    check_each_launch_ran_once(result, witness, never={launch.id for launch in result.launches[:-1]})
    assert (first.started, first.stop_code, first.try_number) == (None, "UserInitiated", last.try_number)
    assert last.finished < first.stopped
    assert last.stop_code == "EssentialContainerExited"
    assert [task for task in deployment.fargate.tasks() if task["lastStatus"] != "STOPPED"] == []

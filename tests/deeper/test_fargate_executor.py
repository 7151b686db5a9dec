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
"""More on what ``test_fargate_executor.py`` tests."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
import uuid
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from airflow.exceptions import AirflowNotFoundException
from airflow.executors import fargate_executor
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.aws import clients
from airflow.executors.fargate.aws.answers import identity_override
from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.bridge import database, orphan_lookup, sessions, settings, tries
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.fleet import thread as fleet_thread
from airflow.executors.fargate.fleet.orphans import FIRST_DELAYS
from airflow.executors.fargate.launch import Identity
from airflow.executors.fargate.logs.live import TryLog
from airflow.executors.fargate.logs.tries import Try
from airflow.executors.fargate_executor import FargateExecutor
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.connection import Connection
from airflow.models.log import Log
from airflow.utils import session as airflow_session

from tests.executors.test_fargate_executor import (
    FAILED,
    HAS_WORKLOADS,
    OPTIONS,
    QUEUED,
    RUNNING,
    RUNS_CALLBACKS,
    SCHEDULED,
    SECRET,
    SUCCESS,
    TASKS,
    Rows,
    callback,
    connected,
    ecs_model,
    events,
    executor,
    fleet,
    key_of,
    launch_of,
    make_workload,
    noted,
    notes,
    options,
    orphans,
    our_threads,
    queue,
    row_of,
    rows,
    run,
    slow_adoption,
    stats,
    task_instance,
    task_of,
    threaded,
    unstarted,
    uuid_of,
)


def test_a_reason_is_reported_without_what_no_database_takes(executor, fleet, ecs):
    """A key of an executor_config that its author has mistyped reaches event and event log as text."""
    queue(executor, key_of(), {"nul\x00": 1})
    executor.heartbeat()
    executor.heartbeat()
    ((state, reason),) = executor.get_event_buffer().values()
    assert (state, "\x00" in reason, "nul" in reason) == (FAILED, False, True)
    assert "\x00" not in str(noted(executor))


def test_the_scheduler_can_save_what_is_noted(executor, fleet, ecs):
    """Every event reaches the database with all that it says, also where Airflow itself drops them as it saves them."""
    for number in range(3):
        queue(executor, key_of(number))
    executor.heartbeat()
    for arn in ecs.arns:
        ecs.exit(arn, 1, "why")
    fleet.advance(5)
    executor.heartbeat()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Log.__table__.create(engine)
    with Session(engine) as session:
        SchedulerJobRunner._process_task_event_logs(executor._task_event_logs, session)
        failures = select(Log.task_id, Log.extra).where(Log.event == "fargate failure")
        saved = session.execute(failures.order_by(Log.id)).all()
    assert [task_id for task_id, _ in saved] == ["task0", "task1", "task2"]
    assert all("exited with code 1" in extra for _, extra in saved)
    executor.heartbeat()
    assert getattr(executor, "_unsaved_events", []) == []


def test_a_hanging_call_does_not_hold_up_the_scheduler(threaded, fakes, ecs):
    """While AWS does not answer, heartbeats come and go."""
    release = threading.Event()
    ecs.next("run_task", lambda *_: release.wait())
    queue(threaded, key_of())
    threaded.heartbeat()
    fakes.until(lambda: ecs.calls)
    began = time.monotonic()
    for _ in range(100):
        threaded.heartbeat()
    assert time.monotonic() - began < 5
    release.set()


@pytest.mark.skipif(not HAS_WORKLOADS, reason="from 3.0 on")
class TestWorkloads:
    """What 3.0 and newer hand over."""

    @pytest.mark.parametrize(
        "external_id",
        [
            None,
            "arn:aws:ecs:us-east-1:123456789012:task/cluster/0123",
            "6F2F3C1E-5A52-4AD4-9C5A-1F2C7F0F6F10",  # A UUID, but not in the form in which Airflow writes one.
        ],
    )
    def test_anything_but_an_assigned_id_is_none(self, external_id):
        """The ARN of an earlier launch is not taken for this launch's id."""
        if external_id and "external_executor_id" not in type(make_workload(key_of()).ti).model_fields:
            pytest.skip("from 3.2 on")
        launch = launch_of(make_workload(key_of(), external_executor_id=external_id), 0.0)
        assert str(uuid.UUID(launch.id)) == launch.id

    @pytest.mark.parametrize("token", ["no token", "a.b.c"])
    def test_a_token_that_cannot_be_read_never_expires(self, token):
        """What is no JWT has no date; it is launched all the same."""
        workload = make_workload(key_of())
        workload.token = token
        assert launch_of(workload, 0.0).expires is None


def test_what_waits_goes_by_priority_across_heartbeats(unstarted, ecs, monkeypatch):
    """A launch that is handed over later goes first where its priority is higher, on every release."""
    monkeypatch.setenv("AIRFLOW__FARGATE__LAUNCH_CONCURRENCY", "1")
    unstarted.start()
    fleet = unstarted._fleet_thread
    fleet.pools["launch"].held = True
    for number, priority in enumerate([9, 1, 5]):
        queue(unstarted, key_of(number), priority=priority)
        unstarted.heartbeat()
    fleet.pools["launch"].held = False
    unstarted.heartbeat()
    names = [json.dumps(task["overrides"]) for task in ecs.tasks.values()]
    assert [next(n for n in range(3) if f"task{n}" in name) for name in names] == [0, 2, 1]


@pytest.mark.skipif(not RUNS_CALLBACKS, reason="from 3.3 on")
class TestCallbacks:
    """Callbacks of Dags, such as those of deadlines, that are to be executed as tasks are."""

    def test_callbacks_go_before_tasks(self, callback, unstarted, ecs, monkeypatch):
        """As in Airflow itself, also where they wait for their turn at AWS."""
        monkeypatch.setenv("AIRFLOW__FARGATE__LAUNCH_CONCURRENCY", "1")
        unstarted.start()
        fleet = unstarted._fleet_thread
        fleet.pools["launch"].held = True
        for number in range(3):
            queue(unstarted, key_of(number), priority=1000)
        unstarted.heartbeat()
        unstarted.queue_workload(callback, None)
        unstarted.heartbeat()
        fleet.pools["launch"].held = False
        unstarted.heartbeat()
        told = [str(task["overrides"]) for task in ecs.tasks.values()]
        # The first task was under way when the callback came.
        assert [callback.callback.id in text for text in told] == [False, True, False, False]


def test_an_end_that_comes_while_the_key_waits_for_a_slot_counts_for_nothing(executor, fleet, ecs):
    """A key that is queued again, and cannot be launched yet, is not ended by its earlier launch."""
    executor.parallelism = 1
    queue(executor, key_of(0))
    executor.heartbeat()
    executor.get_event_buffer()
    queue(executor, key_of(0))
    ecs.exit(ecs.arns[0], 1)
    fleet.advance(5)
    executor.sync()
    assert events(executor) == {}
    executor.heartbeat()
    executor.heartbeat()
    assert len(ecs.arns) == 2
    assert executor.running == {key_of(0)}


def test_to_revoke_is_safe_without_a_start(unstarted):
    """Even an executor that never started can be asked."""
    unstarted.revoke_task(ti=task_instance(key_of()))
    assert unstarted.get_event_buffer() == {}


def test_without_task_instances_nothing_is_asked(unstarted, executor, ecs):
    """An empty list asks neither the database nor AWS."""
    assert list(executor.try_adopt_task_instances([])) == []
    assert ecs.calls == []


def test_what_runs_here_already_is_not_asked_for(executor, ecs, orphans):
    """A task instance of this very executor stays where it is."""
    queue(executor, key_of(0))
    executor.heartbeat()
    made = len(ecs.calls)
    assert list(executor.try_adopt_task_instances([orphans(0)])) == []
    assert len(ecs.calls) == made


def test_the_executor_s_own_launch_is_known_by_its_stored_arn(executor, fleet, ecs, orphans):
    """Where only the ARN says so, because the clock was set back, AWS is not asked."""
    queue(executor, key_of())
    executor.heartbeat()
    executor.get_event_buffer()
    orphan, made = orphans(0, ecs.arns[0], fleet.clock.at + 5, arn_is_present=True), len(ecs.calls)
    assert list(executor.try_adopt_task_instances([orphan])) == []
    assert len(ecs.calls) == made
    ecs.exit(ecs.arns[0], 1)
    fleet.advance(5)
    executor.heartbeat()
    assert events(executor) == {key_of(): FAILED}
    assert executor.running == set()
    assert ecs.made("stop_task") == []


def test_where_all_are_of_this_database_there_is_no_warning(executor, orphans, run):
    """ECS tasks of an older version, which do not name their database, are adopted as ever."""
    run(0, database="here")
    run(1)
    tis = [orphans(number, database="here") for number in range(3)]
    with mock.patch.object(orphan_lookup, "warn_of_another_database", autospec=True) as warn:
        assert list(executor.try_adopt_task_instances(tis)) == [tis[2]]
    assert executor.running == {key_of(0), key_of(1)}
    assert not warn.called


def test_what_was_kept_can_be_revoked_before_aws_answers(executor, fleet, ecs, run, slow_adoption):
    """An ECS task that is found after its task instance was revoked is stopped, and not reported."""
    arn = run(0)
    fleet.hold()
    slow_adoption(0)
    executor.revoke_task(ti=task_instance(key_of(0)))
    executor.heartbeat()
    executor.heartbeat()
    assert executor.get_event_buffer() == {}
    assert ecs.tasks[arn]["desiredStatus"] == "STOPPED"
    assert executor.running == set()


def test_what_was_kept_can_be_launched_again_before_aws_answers(executor, fleet, ecs, run, slow_adoption):
    """Where Airflow queues a kept task instance again, the late find is that of an earlier launch."""
    earlier = run(0)
    slow_adoption(0)
    fleet.hold()
    queue(executor, key_of(0))
    executor.heartbeat()
    fleet.hold(False)
    ecs.exit(earlier, 0)
    executor.heartbeat()
    fleet.advance(5)
    executor.heartbeat()
    buffer = executor.get_event_buffer()
    assert [info for _, info in buffer.values()] == [ecs.arns[1]]
    assert executor.running == {key_of(0)}


def test_what_was_kept_and_runs_beside_its_successor_is_stopped(executor, fleet, ecs, run, slow_adoption):
    """Revoked and queued again before AWS answers: the ECS task of the earlier launch is stopped."""
    arn = run(0)
    slow_adoption(0)
    fleet.hold()
    executor.revoke_task(ti=task_instance(key_of()))
    fleet.advance(5)
    queue(executor, key_of())
    executor.heartbeat()
    fleet.hold(False)
    for _ in range(2):
        fleet.advance(5)
        executor.heartbeat()
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [arn]
    assert executor.running == {key_of()}


def test_the_executor_s_own_launch_is_not_taken_for_what_was_kept(
    unstarted, ecs, run, orphans, fakes, monkeypatch
):
    """Launched here while AWS could not be asked: the earlier ECS task is stopped."""
    monkeypatch.setattr(unstarted, "job_id", 17)
    monkeypatch.setattr(database, "scheduler_name", lambda job_id: f"{job_id}@1.5")
    row = row_of("queued", 1, 17)
    monkeypatch.setattr(database, "rows", lambda tasks: dict.fromkeys(tasks, row))
    monkeypatch.setattr(fargate_executor, "ADOPTION_PATIENCE", 0.01)
    unstarted.start()
    fleet, arn = unstarted._fleet_thread, run(0)
    fleet.hold()
    assert list(unstarted.try_adopt_task_instances([orphans(0)])) == []
    unstarted.revoke_task(ti=task_instance(key_of()))
    queue(unstarted, key_of())
    unstarted.heartbeat()
    fleet.hold(False)
    for _ in range(2):
        fleet.advance(5)
        unstarted.heartbeat()
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [arn]
    assert unstarted.running == {key_of()}


def test_a_launch_of_another_scheduler_is_looked_for_beside_an_earlier_one_of_ours(
    executor, fleet, ecs, orphans, fakes
):
    """If only an earlier launch is known here, the ECS task of the present one is adopted."""
    queue(executor, key_of())
    executor.heartbeat()
    executor.get_event_buffer()
    (earlier,) = ecs.arns
    task = task_of()
    fleet.advance(100)
    later = fakes.make_launch(0, task=task, handed_over=fleet.clock.at)
    present = ecs.put(fakes.make_request(later))
    ecs.start(present)
    orphan = orphans(0)
    queued_at = fleet.clock.at - 1
    candidates = {
        dataclasses.replace(each, queued_at=queued_at): ti
        for each, ti in database.candidates([orphan]).items()
    }
    with mock.patch.object(database, "candidates", autospec=True, return_value=candidates):
        assert list(executor.try_adopt_task_instances([orphan])) == []
    executor.sync()
    executor.get_event_buffer()
    ecs.exit(earlier, 0)
    fleet.advance(5)
    executor.sync()
    assert executor.get_event_buffer() == {}
    ecs.exit(present, 1)
    fleet.advance(5)
    executor.sync()
    assert [state for state, _ in executor.get_event_buffer().values()] == [FAILED]


def test_what_is_queued_here_is_neither_asked_for_nor_given_back(executor, ecs, orphans):
    """A task instance that waits for a slot here is this executor's own, whatever the database says of its scheduler."""
    queue(executor, key_of())
    assert list(executor.try_adopt_task_instances([orphans(0)])) == []
    assert ecs.calls == []


def test_what_aws_refuses_to_tell_is_not_given_back(executor, fleet, ecs, orphans, fakes):
    """Without the permission to list nothing is reset, and no slot is held: Airflow's timeouts decide."""
    ecs.next("list_tasks", *[fakes.aws_error("AccessDeniedException")] * 2)
    assert list(executor.try_adopt_task_instances([orphans(0)])) == []
    executor.heartbeat()
    assert executor.running == set()
    assert [event for event, _, _ in noted(executor)] == ["fargate adoption"]


def test_an_answer_at_the_last_moment_counts(executor, fleet, ecs, run, orphans, monkeypatch):
    """An answer that comes between the patience's end and the giving up is taken."""
    run(0)

    class LastMoment(Future):
        asked = False

        def result(self, timeout=None):
            if timeout is not None:
                raise fargate_executor.futures.TimeoutError
            return super().result(20)

    monkeypatch.setattr(fargate_executor.futures, "Future", LastMoment)
    without = orphans(1)
    assert executor.try_adopt_task_instances([orphans(0), without]) == [without]
    assert executor.running == {key_of(0)}


def test_no_stale_arn_is_reported(rows, executor, fleet, ecs):
    """AWS accepted it before the gap; its ECS task is stopped, and the page shows that of the try that runs."""
    queue(executor, key_of())
    executor.trigger_workloads(1)
    executor._tell_launches(fleet)
    fleet.ensure_running()
    rows.change(0, "running", try_number=2, queued_by=Rows.OTHER_JOB)
    executor.heartbeat()
    fleet.advance(3)
    executor.heartbeat()
    assert executor.get_event_buffer() == {}
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns
    assert executor.running == set()
    launched, note = notes(executor)
    assert launched.startswith(f"Launched {ecs.arns[0]}")
    assert note.startswith("Airflow has begun try 2 of the task instance")


def test_a_task_that_has_ended_before_the_heartbeat_has_its_note(rows, executor, fleet, ecs):
    """It is that by which its log is found: a container can be faster than a busy scheduler."""
    queue(executor, key_of())
    executor.trigger_workloads(1)
    executor._tell_launches(fleet)
    fleet.ensure_running()
    rows.change(0, "success")
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(3)
    executor.heartbeat()
    assert [state for state, _ in executor.get_event_buffer().values()] == ["success"]
    assert notes(executor)[0].startswith(f"Launched {ecs.arns[0]}")


def test_while_the_database_is_away_arns_are_reported_later(rows, executor, fleet, ecs):
    """No error leaves sync(), and nothing is lost."""
    rows.away = True
    queue(executor, key_of())
    for _ in range(3):
        executor.heartbeat()
        assert executor.get_event_buffer() == {}
    rows.away = False
    executor.heartbeat()
    ((_, arn),) = executor.get_event_buffer().values()
    assert [arn] == ecs.arns


@pytest.mark.parametrize(
    "odd",
    [
        {"dag_id": "nul\0"},
        {"scheduler": "9" * 900 + "@1.0"},
    ],
    ids=lambda odd: repr(odd)[:30],
)
def test_an_odd_identity_in_an_ecs_task_does_not_leave_sync(unstarted, ecs, run, monkeypatch, odd):
    """Anybody who may run tasks in the cluster can write one; the scheduler would not survive an error."""
    monkeypatch.setattr(unstarted, "job_id", None)
    unstarted.start()
    arn = run(0, scheduler="1@2.0", started=False)
    (variable,) = ecs.tasks[arn]["overrides"]["containerOverrides"][0]["environment"]
    variable["value"] = json.dumps({**json.loads(variable["value"]), **odd})
    asked = mock.MagicMock(spec=Session)
    asked.execute.side_effect = ValueError("what psycopg2 raises for NUL")
    monkeypatch.setattr(airflow_session.settings, "Session", lambda: asked)
    unstarted.heartbeat()
    unstarted._fleet_thread.advance(FIRST_DELAYS[0] + 2)
    unstarted.heartbeat()
    assert ecs.made("describe_tasks")
    # What no database takes is not even looked up; a scheduler's name alone may be anything.
    assert asked.execute.called is (odd == {"scheduler": "9" * 900 + "@1.0"})
    assert ecs.made("stop_task") == []


def test_an_ecs_task_launched_outside_of_a_scheduler_names_no_database(unstarted, ecs, monkeypatch):
    """No session is made where the executor has no job, as in the commands and in tests."""
    monkeypatch.setattr(unstarted, "job_id", None)
    monkeypatch.setattr(database, "own_address_hash", mock.create_autospec(database.own_address_hash))
    unstarted.start()
    queue(unstarted, key_of())
    unstarted.heartbeat()
    (task,) = ecs.tasks.values()
    assert Identity.parse(*identity_override(task)).database is None
    assert not database.own_address_hash.called


def test_the_end_waits_until_aws_has_accepted_what_was_handed_over(monkeypatch, connected, ecs, fakes):
    """Throttling and lost answers are met as ever."""
    ecs.next("run_task", fakes.aws_error("ThrottlingException"), fakes.Lost(ConnectionResetError()))
    executor = FargateExecutor(parallelism=1)
    executor.start()
    queue(executor, key_of())
    executor.heartbeat()
    executor.end()
    assert (len(ecs.tokens), len(ecs.arns)) == (3, 1)


def test_what_aws_does_not_accept_in_time_is_logged(monkeypatch, connected, ecs, fakes):
    """The command cannot wait for ever; nothing is launched after it."""
    monkeypatch.setattr(fargate_executor, "END_PATIENCE", 0.2)
    ecs.next("run_task", *[fakes.aws_error("ServerException", status=500)] * 9)
    executor = FargateExecutor(parallelism=1)
    executor.start()
    queue(executor, key_of())
    executor.heartbeat()
    with mock.patch.object(fleet_thread, "log", autospec=True) as log:
        executor.end()
    assert log.error.call_args.args[0].startswith("AWS has not accepted all launches")


def test_the_end_may_come_twice_or_without_a_start(executor, unstarted):
    """end() and terminate() are safe at any time."""
    executor.end()
    executor.end()
    executor.terminate()
    never = FargateExecutor()
    never.end()
    never.terminate()


def test_terminate_launches_nothing_though_a_launch_is_due(executor, fleet, ecs):
    """A launch whose turn it is as the scheduler is terminated has no ECS task."""
    executor.heartbeat()
    fleet.running = False  # The thread has not come to it yet.
    queue(executor, key_of())
    executor.trigger_workloads(1)
    executor._tell_launches(fleet)
    executor.terminate()
    fleet.settle()
    assert ecs.arns == []


def test_the_patience_leaves_time_to_exit():
    """The scheduler's process must be gone 15 seconds after SIGTERM."""
    assert fargate_executor.END_PATIENCE < 15


def test_an_executor_s_own_view_of_the_configuration_is_read():
    """From 3.1 on an executor has a configuration of its own, for its team."""
    own = mock.Mock(spec=["get"])
    own.get.return_value = "of the team"
    executor = mock.Mock(spec=["conf"], conf=own)
    assert settings.option_reader(executor)("cluster") == "of the team"
    assert own.get.call_args.args == ("fargate", "cluster")


@pytest.mark.skipif(not hasattr(BaseExecutor, "supports_multi_team"), reason="from 3.2 on")
class TestTeams:
    """An executor of a team's own, whose options are its own."""

    @pytest.fixture
    def of_team(self, monkeypatch, connected, fakes, clock):
        """Return the executor of a team, whose options alone are set."""
        for name, value in OPTIONS.items():
            monkeypatch.delenv(f"AIRFLOW__FARGATE__{name}")
            monkeypatch.setenv(f"AIRFLOW__PLANETS___FARGATE__{name}", value)
        monkeypatch.setattr(fargate_executor, "FleetThread", partial(fakes.SteppedFleet.of, clock=clock))
        return FargateExecutor(parallelism=100, team_name="planets")

    def test_a_team_s_options_make_its_requests(self, of_team, ecs, monkeypatch):
        """Also those that the default function reads, and whatever the other executors' are."""
        monkeypatch.setenv("AIRFLOW__FARGATE__CLUSTER", "of-nobody")
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__CLUSTER", "of-the-team")
        of_team.start()
        queue(of_team, key_of())
        of_team.heartbeat()
        assert of_team._fleet_thread.fleet.context.counters.launches == 1
        (task,) = ecs.tasks.values()
        assert task["clusterArn"].endswith("of-the-team")

    def test_a_function_reads_the_team_s_options_at_each_launch_too(self, of_team, ecs, monkeypatch):
        """Whoever calls the default function for each command, on a thread of the fleet, has the team's options."""
        default_function = fargate_executor.default_task_id_to_fargate_options_function
        own = SimpleNamespace(function=lambda: lambda command: default_function()(command))
        monkeypatch.setitem(sys.modules, "our_own", own)
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__EXECUTION_CONFIG_FUNCTION", "our_own.function")
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__CLUSTER", "of-the-team")
        of_team.start()
        queue(of_team, key_of())
        of_team.heartbeat()
        (task,) = ecs.tasks.values()
        assert task["clusterArn"].endswith("of-the-team")

    def test_a_mistake_names_the_team(self, of_team, monkeypatch):
        """There may be several executors; the message says whose option is wrong."""
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__CLUSTER", "two words")
        monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__LAUNCH_TYPE", "MOON")
        with pytest.raises(ConfigError, match="Team planets: ") as raised:
            of_team.start()
        assert ["Team planets: [fargate] " in mistake for mistake in raised.value.mistakes] == [True, True]

    def test_its_metrics_are_distinct_from_those_of_the_other_executor(self, executor, of_team, ecs, stats):
        """Without tags the gauges of one executor would replace those of the other."""
        of_team.start()
        for number in range(2):
            queue(of_team, key_of(number))
        queue(executor, key_of(2))
        for each in (of_team, executor):
            each.heartbeat()
        name = {"executor_class_name": "FargateExecutor"}
        assert [(call.args[1], call.kwargs["tags"]) for call in stats.gauge.call_args_list[-2:]] == [
            (2, name | {"team_name": "planets"}),
            (1, name),
        ]
        told = [*stats.incr.call_args_list, *stats.timing.call_args_list]
        assert {call.kwargs["tags"].get("team_name") for call in told} == {"planets", None}

    def test_the_scheduler_knows_that_it_takes_teams(self):
        """Airflow asks the class."""
        assert FargateExecutor.supports_multi_team is True


def test_without_a_connection_the_session_is_boto3_s_own():
    """boto3's chain of credentials decides, in the Region of the options."""
    assert sessions.session_maker(None, "eu-central-1")().region_name == "eu-central-1"


def test_a_connection_without_its_package_is_a_mistake(monkeypatch):
    """conn_id needs the Amazon provider, and says so before anything starts."""
    monkeypatch.setitem(sys.modules, "airflow.providers.amazon.aws.hooks.base_aws", None)
    with pytest.raises(ConfigError, match="apache-airflow-providers-amazon"):
        sessions.session_maker("aws_default", "us-east-1")


@pytest.fixture
def amazon_hook(monkeypatch):
    """Put a stand-in for the provider's hook in its place, and a connection where Airflow looks for it."""
    module = mock.Mock(spec=["AwsGenericHook"])
    hook = mock.Mock(spec=["get_session", "config", "conn_config", "verify"])
    hook.conn_config = mock.Mock(spec=["get_service_endpoint_url"])
    module.AwsGenericHook.return_value = hook
    monkeypatch.setitem(sys.modules, "airflow.providers.amazon.aws.hooks.base_aws", module)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_OURS", "aws://")
    return module.AwsGenericHook


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:9"])
def test_a_connection_makes_the_clients(amazon_hook, endpoint):
    """With the provider, session, endpoint and certificates are the connection's, but for what the options name."""
    hook = amazon_hook.return_value
    make_session = sessions.session_maker("aws_ours", "us-east-1")
    hook.get_session.assert_not_called()
    client = make_session().client("ecs", region_name=None, endpoint_url=endpoint, config="ours")
    amazon_hook.assert_called_once_with(aws_conn_id="aws_ours", region_name="us-east-1")
    hook.config.merge.assert_called_once_with("ours")
    make_client = hook.get_session.return_value.client
    assert client is make_client.return_value
    make_client.assert_called_once_with(
        "ecs",
        region_name=None,
        endpoint_url=endpoint or hook.conn_config.get_service_endpoint_url.return_value,
        config=hook.config.merge.return_value,
        verify=hook.verify,
    )


@pytest.mark.skipif(not hasattr(BaseExecutor, "supports_multi_team"), reason="from 3.2 on")
@pytest.mark.parametrize(
    ("team", "login"), [("planets", "of the team"), ("stars", "of all"), (None, "of all")]
)
def test_a_connection_can_be_a_team_s_own(amazon_hook, monkeypatch, team, login):
    """The provider's hook knows no teams: it is given the connection that Airflow finds for the executor's team."""
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_OURS", "aws://of%20all:secret@")
    monkeypatch.setenv("AIRFLOW_CONN__PLANETS___AWS_OURS", "aws://of%20the%20team:secret@")
    hook = amazon_hook.return_value
    hook.get_connection = Connection.get_connection_from_secrets
    sessions.session_maker("aws_ours", "us-east-1", team)()
    assert hook.get_connection("aws_ours").login == login


@pytest.mark.skipif(not hasattr(BaseExecutor, "supports_multi_team"), reason="from 3.2 on")
def test_an_executor_looks_for_its_team_s_connection(amazon_hook, options, monkeypatch):
    """Also where the team alone has one of that name: in the scheduler, and in the API server that reads its logs."""
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.delenv("AIRFLOW_CONN_AWS_OURS")
    for name, value in OPTIONS.items():
        monkeypatch.setenv(f"AIRFLOW__PLANETS___FARGATE__{name}", value)
    monkeypatch.setenv("AIRFLOW__PLANETS___FARGATE__CONN_ID", "aws_ours")
    monkeypatch.setenv("AIRFLOW_CONN__PLANETS___AWS_OURS", "aws://")
    executor = FargateExecutor(parallelism=100, team_name="planets")
    executor.start()
    executor.end()
    assert amazon_hook.return_value.get_connection("aws_ours").conn_id == "aws_ours"
    made = amazon_hook.call_count
    arn = "arn:aws:ecs:us-east-1:123456789012:task/airflow/0123456789abcdef0123456789abcdef"
    tries.logs_of_team.cache_clear()
    assert tries.logs_of_team("planets").read(Try("a try", (), arn, is_polled=True)).sources
    assert amazon_hook.call_count > made


def test_a_connection_that_is_not_there_is_a_mistake_in_the_options(amazon_hook, monkeypatch):
    """The hook would go on with other credentials; the executor does not start."""

    def not_there(conn_id):
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(Connection, "get_connection_from_secrets", staticmethod(not_there))
    with pytest.raises(ConfigError, match=r"\[fargate\] conn_id = 'typo': there is no such connection"):
        sessions.session_maker("typo", "us-east-1")


def test_without_a_region_the_other_mistakes_are_reported_too(unstarted, monkeypatch):
    """A missing Region is one mistake among others, in the same message."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AIRFLOW__FARGATE__REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AIRFLOW__FARGATE__CLUSTER", "two words")
    with pytest.raises(ConfigError, match=r"(?s)\[fargate\] cluster = .*\[fargate\] region = ") as raised:
        unstarted.start()
    assert len(raised.value.mistakes) == 2


def test_the_state_is_shown(executor):
    """Tests and debuggers see what is launched and followed, without the command."""
    assert executor.debug_state()["followed"] == []
    queue(executor, key_of())
    executor.heartbeat()
    state = executor.debug_state()
    assert [launch.key for launch in state["launches"]] == [key_of()]
    assert [run.launch.key for run in state["followed"]] == [key_of()]
    assert (state["counters"].launches, state["counters"].fleet_restarts) == (1, 0)
    assert SECRET not in str(state)


def test_a_client_without_a_region_is_a_mistake_in_the_options(fakes, monkeypatch):
    """Where neither the options nor the environment name a Region, the message says where to set it."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConfigError, match=r"\[fargate\] region = None"):
        clients.connect(sessions.session_maker(None, None), region=None, endpoint_url=None, connections=1)


def test_a_profile_that_does_not_exist_ends_the_start(monkeypatch):
    """It is a mistake that waiting does not mend."""
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    make_session = sessions.session_maker(None, "eu-west-1")
    with pytest.raises(ConfigError, match=r"cannot be made: .*nowhere.* Check the AWS profile"):
        clients.connect(make_session, region="eu-west-1", endpoint_url=None, connections=1)


def test_the_fleet_is_woken_once_all_of_a_heartbeat_is_noted(executor, fleet, monkeypatch):
    """Else its thread would take turns with the scheduler's, and the heartbeat would take twice as long."""
    noted = []
    monkeypatch.setattr(fleet, "tell", lambda *command: noted.append(len(executor._ledger.launches())))
    for number in range(3):
        queue(executor, key_of(number))
    executor.heartbeat()
    assert noted == [3, 3, 3]


@pytest.mark.parametrize(
    "refusal",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole"),
        EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com"),
        ReadTimeoutError(endpoint_url="https://sts.eu-west-1.amazonaws.com"),
    ],
)
def test_a_role_that_cannot_be_assumed_at_the_start(refusal, caplog):
    """The executor starts, and says why calls wait. The first call after STS answers makes the client."""
    session = mock.Mock(spec=boto3.Session)
    make_session = mock.Mock(spec=lambda: None, side_effect=[refusal, refusal, session])
    ecs = clients.connect(make_session, region="eu-west-1", endpoint_url=None, connections=1)
    assert "There are no credentials" in caplog.text
    with pytest.raises(type(refusal)) as caught:
        ecs.list_running("fleet", "airflow")
    assert classify_error(caught.value, ecs.endpoint_url).verdict is Verdict.CREDENTIALS
    session.client.return_value.list_tasks.return_value = {"taskArns": []}
    assert ecs.list_running("fleet", "airflow").arns == ()


@pytest.mark.parametrize("is_served", [False, True])
def test_lines_of_a_running_task(monkeypatch, is_served):
    """They are the same as a remote log's, which gives them in its place where it is configured."""
    executor, found = FargateExecutor(), TryLog(["a source"], iter(["a line"]), True)
    ti = mock.Mock(spec=["dag_id"], dag_id="dag")
    monkeypatch.setattr(fargate_executor, "was_served", lambda of: is_served and of is ti)
    monkeypatch.setattr(fargate_executor, "try_of", lambda of, number: (of, number))
    logs = mock.Mock(spec=["read"], **{"read.side_effect": {(ti, 3): found}.get})
    monkeypatch.setattr(fargate_executor, "logs_of_dag", {"dag": logs}.get)
    sources, streams = executor.get_streaming_task_log(ti, 3)
    assert sources  # Or Airflow would ask a server of files.
    assert [line for stream in streams for line in stream] == ([] if is_served else ["a line"])

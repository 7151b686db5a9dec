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

import dataclasses
import json
import logging
import subprocess
import sys
import threading
import time
import uuid
from functools import partial
from types import SimpleNamespace
from unittest import mock

import pytest

from airflow.executors import fargate_executor
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.aws import clients
from airflow.executors.fargate.aws.answers import identity_override
from airflow.executors.fargate.aws.arns import whereabouts
from airflow.executors.fargate.bridge import AIRFLOW, database, orphan_lookup, sessions, settings, workloads
from airflow.executors.fargate.bridge.lookups import BATCH, FAILURE_CHECK_DELAY
from airflow.executors.fargate.errors import ConfigError, FargateError
from airflow.executors.fargate.fleet import thread as fleet_thread
from airflow.executors.fargate.fleet.orphans import FIRST_DELAYS
from airflow.executors.fargate.launch import Identity, TaskInstanceId
from airflow.executors.fargate.notes import ecs_task_text
from airflow.executors.fargate.present import ENDING, Candidate
from airflow.executors.fargate_executor import FargateExecutor
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.utils.state import TaskInstanceState

QUEUED, SUCCESS, FAILED, SCHEDULED, RUNNING = (
    TaskInstanceState.QUEUED,
    TaskInstanceState.SUCCESS,
    TaskInstanceState.FAILED,
    TaskInstanceState.SCHEDULED,
    TaskInstanceState.RUNNING,
)


#: 3.0 and newer hand over workloads, 2.11 commands.
HAS_WORKLOADS = hasattr(BaseExecutor, "queue_workload")


#: Containers of 3.3 and newer can execute callbacks.
RUNS_CALLBACKS = hasattr(BaseExecutor, "run_workload")


OPTIONS = {
    "CLUSTER": "cluster",
    "TASK_DEFINITION": "airflow:1",
    "CONTAINER_NAME": "airflow",
    "SUBNETS": "subnet-0123456789abcdef0",
    "REGION": "us-east-1",
}


SECRET = "sesame-open"


@pytest.fixture(scope="session")
def ecs_model():
    """Return the model of ECS that the installed botocore ships."""
    import botocore.session

    return botocore.session.get_session().get_service_model("ecs")


@pytest.fixture
def options(monkeypatch):
    """Set the options that have no default."""
    for name, value in OPTIONS.items():
        monkeypatch.setenv(f"AIRFLOW__FARGATE__{name}", value)


@pytest.fixture
def connected(monkeypatch, options, ecs, ecs_model):
    """Let an executor that starts find the fake ECS."""
    ecs.service_model = ecs_model
    monkeypatch.setattr(clients, "connect", lambda *args, **kwargs: ecs)


@pytest.fixture
def unstarted(monkeypatch, connected, fakes, clock):
    """Return an executor whose fleet a test moves by hand, before its start."""
    monkeypatch.setattr(fargate_executor, "FleetThread", partial(fakes.SteppedFleet.of, clock=clock))
    monkeypatch.setattr(fargate_executor, "time", SimpleNamespace(time=clock, monotonic=clock))
    return FargateExecutor(parallelism=100)


@pytest.fixture
def executor(unstarted):
    """Return an executor that has started."""
    unstarted.start()
    return unstarted


@pytest.fixture
def fleet(executor):
    """Return the fleet of the executor."""
    return executor._fleet_thread


@pytest.fixture
def threaded(connected, fakes, ecs, monkeypatch):
    """Return a started executor with the real fleet on its real threads."""
    ecs._clock = time.monotonic
    monkeypatch.setenv("AIRFLOW__FARGATE__POLL_INTERVAL", "0.1")
    executor = FargateExecutor(parallelism=100)
    executor.start()
    yield executor
    executor.end()
    fakes.until(lambda: not our_threads())


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(clients.THREAD_NAMES)]


def row_of(state, try_number, queued_by):
    """Return a task instance as the database has it."""
    return Candidate(
        TaskInstanceId("dag", "task", "run", try_number), None, None, None, queued_by, state=state
    )


def task_of(number=0, try_number=1):
    """Return what identifies a task instance."""
    task = TaskInstanceId("dag", f"task{number}", "run", try_number)
    return dataclasses.replace(task, uuid=str(uuid_of(task))) if AIRFLOW.has_uuids else task


def uuid_of(task):
    return uuid.uuid5(uuid.NAMESPACE_OID, str(task))


#: What is known by each of Airflow's keys.
TASKS: dict[object, TaskInstanceId] = {}


def key_of(number=0, try_number=1):
    """Return Airflow's key of a task instance."""
    task = task_of(number, try_number)
    key = AIRFLOW.key_of(task)
    TASKS[key] = task
    return key


def queue(executor, key, executor_config=None, priority=1, **members):
    """Queue a task instance as the scheduler of the installed release does."""
    if HAS_WORKLOADS:
        executor.queue_workload(make_workload(key, executor_config, priority, **members), None)
        return
    ti = mock.Mock(spec=TaskInstance, key=key, executor_config=executor_config, dag_id=key.dag_id)
    ti.dag_run = SimpleNamespace(start_date=None)
    executor.queue_command(ti, ["airflow", "tasks", "run", key.dag_id, key.task_id], priority, "default")


def make_workload(key, executor_config=None, priority=1, external_executor_id=None, exp=None):
    import jwt

    from airflow.executors.workloads import ExecuteTask

    model, task = ExecuteTask.model_fields["ti"].annotation, TASKS[key]
    values = {
        **task.coordinates.as_dict(),
        "id": task.uuid or uuid_of(task),
        "dag_version_id": uuid.uuid4(),
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": priority,
        "executor_config": executor_config,
        "external_executor_id": external_executor_id,
    }
    ti = model(**{name: value for name, value in values.items() if name in model.model_fields})
    claims = {"sub": str(ti.id), **({} if exp is None else {"exp": exp})}
    return ExecuteTask(
        ti=ti,
        dag_rel_path="dag.py",
        token=jwt.encode(claims, SECRET * 4, algorithm="HS256"),
        bundle_info={"name": "bundle", "version": None},
        log_path="a.log",
    )


def launch_of(workload, now=0.0):
    return AIRFLOW.launch_of(FargateExecutor.get_workload_key(workload), [workload], None, None, now)


def task_instance(key, state=QUEUED):
    """Return what the scheduler asks about."""
    values = TASKS[key].coordinates.as_dict()
    return mock.Mock(
        spec=TaskInstance,
        key=TaskInstanceKey(**values),
        state=state,
        id=uuid.UUID(TASKS[key].uuid) if TASKS[key].uuid else uuid_of(TASKS[key]),
        **values,
    )


def ecs_task_of(ecs, key):
    """Return the ARN of the newest ECS task of a task instance."""
    arns = [arn for arn, task in ecs.tasks.items() if f'"{TASKS[key].task_id}"' in str(task["overrides"])]
    return arns[-1]


def events(executor):
    return {key: state for key, (state, _) in executor.get_event_buffer().items()}


def noted(executor):
    """Return what stands in the task event log."""
    return [(log.event, log.task_id, log.extra) for log in executor._task_event_logs]


LOADED = """
import sys
import threading
from airflow.executors.fargate_executor import FargateExecutor

def state():
    boto = sorted({name.partition(".")[0] for name in sys.modules} & {"boto3", "botocore"})
    return boto, [t.name for t in threading.enumerate() if t.name.startswith("fargate")]

executor = FargateExecutor()
print("before", *state())
executor.start()
print("after", *state())
"""


def test_nothing_starts_before_start_and_no_thread_before_sync(options):
    """The API server and the log reader make an instance: boto3 is imported by start(), and threads wait for sync()."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], check=False, capture_output=True, text=True, timeout=120
    )
    told = [line for line in done.stdout.splitlines() if line.startswith(("before", "after"))]
    assert told == ["before [] []", "after ['boto3', 'botocore'] []"], done.stderr


def test_a_start_makes_no_call(executor, ecs):
    """start() reads options and makes a client; AWS is not asked."""
    assert ecs.calls == []


def test_threads_start_at_the_first_sync(threaded, fakes, ecs):
    """2.11 forks the DAG processor between start() and the first sync(): what was handed over waits till then."""
    queue(threaded, key_of())
    threaded.trigger_workloads(1)
    assert our_threads() == []
    threaded.sync()
    fakes.until(lambda: ecs.arns)


def test_a_mistake_in_the_options_keeps_the_scheduler_from_starting(unstarted, monkeypatch):
    """start() raises the one message about options, and end() and terminate() are safe afterwards."""
    monkeypatch.delenv("AIRFLOW__FARGATE__CLUSTER")
    with pytest.raises(ConfigError, match=r"\[fargate\] cluster = "):
        unstarted.start()
    unstarted.end()
    unstarted.terminate()


@pytest.mark.parametrize("ask", ["sync", "heartbeat"])
def test_without_a_start_nothing_is_pretended(ask):
    """An executor that was not started says so instead of doing nothing."""
    with pytest.raises(FargateError, match="not started"):
        getattr(FargateExecutor(), ask)()


@pytest.mark.parametrize(("code", "state"), [(0, SUCCESS), (1, FAILED)])
def test_a_task_instance_runs_in_a_ecs_task_of_its_own(executor, fleet, ecs, code, state):
    """The heartbeat launches it and reports its ARN and its end, after which its slot is free."""
    queue(executor, key_of())
    executor.heartbeat()
    (arn,) = ecs.arns
    assert executor.running == {key_of()}
    ((told, info),) = executor.get_event_buffer().values()
    assert (told in (QUEUED, RUNNING), info) == (True, arn)
    ecs.exit(arn, code)
    fleet.advance(5)
    executor.heartbeat()
    assert events(executor) == {key_of(): state}
    assert executor.running == set()
    assert executor.slots_available == 100


def test_a_failure_is_reported_with_its_reason(executor, fleet, ecs):
    """The reason stands in the event and in the task event log, which the UI shows."""
    queue(executor, key_of())
    executor.heartbeat()
    executor.get_event_buffer()
    ecs.exit(ecs.arns[0], 137, "OutOfMemoryError: Container killed due to memory usage")
    fleet.advance(5)
    executor.heartbeat()
    ((state, info),) = executor.get_event_buffer().values()
    assert (state, "OutOfMemoryError" in info) == (FAILED, True)
    assert noted(executor) == [
        ("fargate launch", "task0", f"Launched {ecs_task_text(ecs.arns[0], container='airflow')}"),
        ("fargate failure", "task0", info),
        ("fargate launch", "task0", "Ended: accepted 0 s."),
    ]
    assert info.endswith(whereabouts(ecs.arns[0]))


def test_what_is_noted_stands_in_the_task_event_log(executor, fleet, ecs):
    """A further attempt is a note for the user, and is no end."""
    queue(executor, key_of())
    executor.heartbeat()
    executor.get_event_buffer()
    ecs.break_at_start(ecs.arns[0], "ATTRIBUTE")
    fleet.advance(10)
    executor.heartbeat()
    first, second = ecs.arns
    told = [text for event, task, text in noted(executor) if (event, task) == ("fargate launch", "task0")]
    assert told[0] == f"Launched {ecs_task_text(first, container='airflow')}"
    assert told[1].startswith("Container airflow never started.")
    assert told[1].endswith(f"Attempt 1 of 3; launching again. {whereabouts(first)}")
    assert told[2:] == [f"Attempt 2: launched {ecs_task_text(second, container='airflow')}"]
    assert events(executor).keys() == {key_of()}
    assert executor.running == {key_of()}
    assert len(ecs.arns) == 2


def test_what_a_revoked_launch_had_come_to_stands_in_the_task_event_log(executor, fleet, ecs):
    """The user reads after how long Airflow has revoked it, and in which state it was."""
    queue(executor, key_of())
    executor.heartbeat()
    ecs.tasks[ecs.arns[0]]["lastStatus"] = "PENDING"
    fleet.advance(100)
    executor.heartbeat()
    waits = [text for event, _, text in noted(executor) if event == "fargate launch"]
    executor.revoke_task(ti=task_instance(key_of()))
    executor.heartbeat()
    told = [text for event, _, text in noted(executor) if event == "fargate launch"]
    assert "it is PENDING" in waits[-1]
    assert told[:-1] == waits
    assert "; the ECS task was PENDING" in told[-1]
    assert "queued for too long" in told[-1]
    assert events(executor).keys() <= {key_of()}


@pytest.fixture
def stats(monkeypatch):
    """Return what takes the executor's metrics."""
    names = ["incr", "gauge", "timing"]
    assert all(callable(getattr(AIRFLOW.stats(), name)) for name in names)
    taker = mock.Mock(spec=names)
    monkeypatch.setattr(AIRFLOW, "stats", lambda: taker)
    return taker


def counted(stats):
    """Return the sum of each counter."""
    sums = {}
    for call in stats.incr.call_args_list:
        sums[call.args[0]] = sums.get(call.args[0], 0) + call.args[1]
    return sums


def test_metrics_count_what_has_happened(executor, fleet, ecs, fakes, stats):
    """Launches, looks, throttles and restarts are counted once each, and live ECS tasks as they are."""
    ecs.next("run_task", fakes.aws_error("ThrottlingException", "Rate exceeded"))
    for number in range(3):
        queue(executor, key_of(number))
    executor.heartbeat()
    fleet.advance(5)
    ecs.exit(ecs.arns[0], 0)
    fleet.advance(5)
    fleet.fleet.context.counters.fleet_restarts += 1
    for _ in range(2):
        executor.heartbeat()
    assert counted(stats) == {
        "fargate_executor.launches": 3,
        "fargate_executor.throttles": 1,
        "fargate_executor.describe_calls": len(ecs.made("describe_tasks")),
        "fargate_executor.fleet_restarts": 1,
    }
    assert stats.gauge.call_args.args == ("fargate_executor.live_containers", 2)


def test_metrics_time_a_launch(executor, fleet, ecs, stats):
    """How long a launch waited for its ECS task, and its end to be seen, and its steps, where AWS says both times."""
    queue(executor, key_of())
    executor.heartbeat()
    ecs.exit(ecs.arns[0], 0)
    ecs.tasks[ecs.arns[0]]["executionStoppedAt"] = fleet.clock.at + 1
    fleet.advance(5)
    executor.heartbeat()
    told = {call.args[0]: call.args[1].total_seconds() for call in stats.timing.call_args_list}
    assert told == pytest.approx(
        {
            "fargate_executor.launch_duration": 0,
            "fargate_executor.end_to_event_duration": 1,
            "fargate_executor.run_duration": 1,
        }
    )


STEPS = {"createdAt": 1001.0, "pullStartedAt": 1010.0, "pullStoppedAt": 1037.0, "startedAt": 1041.0}
CAPACITY = {"cpu": "512", "memory": "1024", "launchType": "FARGATE", "capacityProviderName": "FARGATE_SPOT"}


def test_what_an_ecs_task_took_is_noted_and_measured(executor, fleet, ecs, stats):
    """Its start once, and after its end, which AWS dates, the steps and what AWS bills."""
    queue(executor, key_of())
    executor.heartbeat()
    ecs.start(ecs.arns[0])
    attribute = {"name": "ecs.cpu-architecture", "value": "arm64"}
    ecs.tasks[ecs.arns[0]].update(STEPS, **CAPACITY, attributes=[attribute])
    for _ in range(2):
        fleet.advance(5)
        executor.heartbeat()
    ecs.exit(ecs.arns[0], 0)
    ecs.tasks[ecs.arns[0]].update(STEPS, executionStoppedAt=1353.0, stoppedAt=1358.2)
    fleet.advance(5)
    executor.heartbeat()
    steps = "accepted 1 s, provisioned 9 s, image pulled 27 s, started 4 s"
    bill = "Billed: 0.5 vCPU and 1 GB for 349 s = 174.5 vCPU-seconds, 349 GB-seconds, Spot, ARM."
    assert [text for _, _, text in noted(executor)][1:] == [
        f"Started after 41 s ({steps}), at 1970-01-01 00:17:21 UTC.",
        f"Ran for 312 s: {steps}. {bill}",
    ]
    times = {call.args[0]: call.args[1].total_seconds() for call in stats.timing.call_args_list}
    assert {name.partition(".")[2]: times[name] for name in times if "_to_" not in name} == {
        "launch_duration": 0,
        "provision_duration": 9,
        "pull_duration": 27,
        "start_duration": 4,
        "run_duration": 312,
    }
    sums = counted(stats)
    assert (sums["fargate_executor.vcpu_seconds"], sums["fargate_executor.gb_seconds"]) == (174.5, 349)
    tags = [call.kwargs["tags"] for call in stats.incr.call_args_list if call.args[0].endswith("_seconds")]
    assert [(each.get("capacity"), each.get("architecture")) for each in tags] == [("spot", "arm64")] * 2


def test_a_request_that_aws_would_refuse_fails_that_task_alone(executor, ecs):
    """A mistake in one executor_config is that task's failure, with the member named, at the next heartbeat."""
    queue(executor, key_of(0), executor_config={"propagateTags": "NONSENSE"})
    queue(executor, key_of(1), executor_config={"clientToken": "mine"})
    queue(executor, key_of(2), executor_config={"overrides": {"memory": "1024"}})
    executor.heartbeat()
    buffer = executor.get_event_buffer()
    assert "propagateTags" in buffer[key_of(0)][1]
    assert "clientToken" in buffer[key_of(1)][1]
    assert [buffer[key_of(n)][0] for n in (0, 1)] == [FAILED] * 2
    ((request, _),) = [call.arguments for call in ecs.made("run_task")]
    assert request["overrides"]["memory"] == "1024"


def test_the_scheduler_s_thread_makes_no_call(threaded, fakes, ecs):
    """Neither heartbeat() nor execute_async() waits for AWS: all calls are made by other threads."""
    keys = [key_of(n) for n in range(20)]
    for key in keys:
        queue(threaded, key)
    told = {}

    def beat(state):
        threaded.heartbeat()
        told.update(events(threaded))
        return [told.get(key) == state for key in keys].count(True) == len(keys)

    fakes.until(lambda: threaded.heartbeat() or len(ecs.arns) == len(keys))
    for arn in ecs.arns:
        ecs.exit(arn, 0)
    fakes.until(partial(beat, SUCCESS))
    assert threading.current_thread().name not in {call.thread for call in ecs.calls}
    assert {call.thread.startswith("fargate") for call in ecs.calls} == {True}


def test_a_command_becomes_a_launch(executor, ecs):
    """execute_async() takes a command, its queue and its executor_config, as 2.11 hands them over."""
    key = TaskInstanceKey("dag", "task0", "run", 1, -1)
    executor.execute_async(key, ["airflow", "tasks", "run"], "default", {"overrides": {"cpu": "512"}})
    executor.sync()
    (request, _) = ecs.made("run_task")[0].arguments
    (override,) = request["overrides"]["containerOverrides"]
    assert override["command"] == ["airflow", "tasks", "run"]
    assert request["overrides"]["cpu"] == "512"


@pytest.mark.skipif(not HAS_WORKLOADS, reason="from 3.0 on")
class TestWorkloads:
    """What 3.0 and newer hand over."""

    def test_a_workload_becomes_a_launch(self, clock):
        """Command, queue, priority, executor_config and the life of the token come from the workload."""
        workload = make_workload(key_of(), {"overrides": {}}, priority=7, exp=5000)
        launch = launch_of(workload, clock.at)
        *command, told = launch.make_command()
        assert tuple(command) == workloads.EXECUTE_WORKLOAD
        assert json.loads(told)["token"] == workload.token
        assert (launch.key, launch.priority, launch.expires) == (key_of(), 7, 5000)
        assert (launch.executor_config, launch.queue, launch.handed_over) == (
            {"overrides": {}},
            "default",
            1000,
        )

    def test_a_launch_has_the_id_that_airflow_assigned(self, executor, ecs):
        """Where the scheduler stored an id as it queued the task instance, the ECS task says that very id."""
        if "external_executor_id" not in type(make_workload(key_of()).ti).model_fields:
            pytest.skip("from 3.2 on")
        assigned = str(uuid.uuid4())
        queue(executor, key_of(), external_executor_id=assigned)
        executor.heartbeat()
        assert ecs.launches_of(assigned) == ecs.arns

    def test_no_attempt_begins_in_the_last_minute_of_the_token(self, executor, fleet, ecs):
        """The date in the workload's token reaches the fleet."""
        queue(executor, key_of(), exp=int(fleet.clock.at) + 30)
        executor.heartbeat()
        assert not ecs.tokens
        assert [event for event, _, _ in noted(executor)] == ["fargate launch"]

    def test_higher_priority_is_launched_first(self, executor, fleet, ecs):
        """Of what the scheduler hands over at once, in whatever order."""
        for number, priority in enumerate([1, 3, 2]):
            queue(executor, key_of(number), priority=priority)
        fleet.pools["launch"].held = True
        executor.heartbeat()
        fleet.pools["launch"].held = False
        executor.heartbeat()
        names = [json.dumps(task["overrides"]) for task in ecs.tasks.values()]
        assert [next(n for n in range(3) if f"task{n}" in name) for name in names] == [1, 2, 0]


@pytest.fixture
def callback():
    """Return a workload as the scheduler makes it."""
    from airflow.executors.workloads import ExecuteCallback

    data = {"path": "module.notify", "kwargs": {"password": SECRET}, "dag_id": "dag", "dag_run_id": 1}
    return ExecuteCallback(
        callback={"id": str(uuid.uuid4()), "fetch_method": "import_path", "data": data},
        dag_rel_path="dag.py",
        token=SECRET,
        bundle_info={"name": "bundle", "version": None},
        log_path="a.log",
    )


@pytest.mark.skipif(not RUNS_CALLBACKS, reason="from 3.3 on")
class TestCallbacks:
    """Callbacks of Dags, such as those of deadlines, that are to be executed as tasks are."""

    @pytest.mark.parametrize(("code", "state"), [(0, "success"), (1, "failed")])
    def test_a_callback_is_executed_in_a_ecs_task_of_its_own(
        self, callback, executor, fleet, ecs, code, state
    ):
        """The ECS task gets the workload, and its exit code is the callback's end."""
        executor.queue_workload(callback, None)
        executor.heartbeat()
        (arn,) = ecs.arns
        (override,) = ecs.tasks[arn]["overrides"]["containerOverrides"]
        assert override["command"] == [*workloads.EXECUTE_WORKLOAD, callback.model_dump_json()]
        assert executor.get_event_buffer() == {callback.key: ("running", arn)}
        ecs.exit(arn, code)
        fleet.advance(5)
        executor.heartbeat()
        ((key, (told, reason)),) = executor.get_event_buffer().items()
        assert (key, told, reason is None) == (callback.key, state, code == 0)
        assert (executor.running, executor.slots_occupied) == (set(), 0)

    def test_its_ecs_task_says_what_it_is_for_and_nothing_secret(self, callback):
        """The identity has the callback's id, and no launch shows arguments or token."""
        launch = dataclasses.replace(launch_of(callback, 5.0), scheduler="1@2")
        told = json.loads(launch.identity)
        assert (told["callback_id"], told["dag_id"]) == (callback.callback.id, "dag")
        assert SECRET not in f"{launch!r} {launch} {launch.identity}"


def test_open_slots_are_kept(executor, ecs):
    """No more task instances run than the parallelism allows."""
    executor.parallelism = 3
    for number in range(5):
        queue(executor, key_of(number))
    executor.heartbeat()
    assert len(ecs.arns) == len(executor.running) == 3
    assert len(AIRFLOW.queued(executor)) == 2


@pytest.mark.parametrize("end_comes", ["before the heartbeat", "after it"])
def test_a_key_queued_again_is_launched_at_once_and_the_earlier_end_counts_for_nothing(
    executor, fleet, ecs, end_comes
):
    """After a defer or a reschedule the next ECS task is launched while the first still stops."""
    queue(executor, key_of())
    executor.heartbeat()
    (first,) = ecs.arns
    ecs.start(first)
    executor.get_event_buffer()
    queue(executor, key_of())
    if end_comes == "before the heartbeat":
        ecs.exit(first, 1)
        fleet.advance(5)
    executor.heartbeat()
    assert key_of() not in AIRFLOW.queued(executor)
    assert len(ecs.arns) == 2
    if end_comes == "after it":
        ecs.exit(first, 1)
        fleet.advance(5)
    executor.heartbeat()
    told = executor.get_event_buffer()
    assert [told[key_of()][1]] == ecs.arns[1:]
    assert executor.running == {key_of()}
    assert not ecs.made("stop_task")
    ecs.exit(ecs.arns[1], 0)
    fleet.advance(5)
    executor.heartbeat()
    assert events(executor) == {key_of(): SUCCESS}
    assert executor.running == set()


@pytest.mark.parametrize(
    ("state", "ended", "knows"),
    [(SCHEDULED, True, True), (SCHEDULED, False, False), (QUEUED, True, False), (RUNNING, True, False)],
)
def test_a_task_that_deferred_has_not_ended_with_its_ecs_task(executor, fleet, ecs, state, ended, knows):
    """Where the end of its launch finds a task instance SCHEDULED, it is still known, until Airflow has read the end."""
    if ended:
        queue(executor, key_of())
        executor.heartbeat()
        ecs.exit(ecs.arns[0], 0)
        fleet.advance(5)
        executor.heartbeat()
    assert executor.has_task(task_instance(key_of(), state)) is knows
    executor.heartbeat()  # Airflow can keep an event for the next one, while another session has locked the row.
    assert executor.has_task(task_instance(key_of(), state)) is knows
    executor.get_event_buffer()
    executor.heartbeat()
    assert executor.has_task(task_instance(key_of(), state)) is False


def test_what_is_queued_or_runs_is_known(executor, ecs):
    """has_task() says yes for what waits and what runs here, whatever its state."""
    queue(executor, key_of(0))
    assert executor.has_task(task_instance(key_of(0)))
    executor.heartbeat()
    assert executor.has_task(task_instance(key_of(0), RUNNING))
    assert not executor.has_task(task_instance(key_of(1)))


@pytest.mark.parametrize("stage", ["unknown", "queued", "handed over", "accepted", "ended"])
def test_to_revoke_never_raises_and_reports_nothing(executor, fleet, ecs, stage):
    """At any stage the slot is freed, the ECS task stopped if there is one, and nothing reported."""
    if stage != "unknown":
        queue(executor, key_of())
    fleet.pools["build"].held = stage == "handed over"
    if stage in ("handed over", "accepted", "ended"):
        executor.heartbeat()
    if stage == "ended":
        ecs.exit(ecs.arns[0], 0)
        fleet.advance(5)
        executor.heartbeat()
    executor.get_event_buffer()
    executor.revoke_task(ti=task_instance(key_of()))
    fleet.pools["build"].held = False
    executor.heartbeat()
    fleet.advance(30)
    executor.heartbeat()
    assert executor.get_event_buffer() == {}
    assert not executor.running
    assert not AIRFLOW.queued(executor)
    assert len(ecs.made("stop_task")) == (stage == "accepted")
    assert len(ecs.arns) == (stage in ("accepted", "ended"))


def test_a_revoked_key_can_be_queued_again(executor, fleet, ecs):
    """A requeue after the queued timeout gets an ECS task of its own; the first one is stopped."""
    queue(executor, key_of())
    executor.heartbeat()
    executor.revoke_task(ti=task_instance(key_of()))
    queue(executor, key_of())
    executor.heartbeat()
    first, second = ecs.arns
    ecs.exit(first, 143)
    fleet.advance(5)
    executor.heartbeat()
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [first]
    assert executor.running == {key_of()}
    ecs.exit(second, 0)
    fleet.advance(5)
    executor.heartbeat()
    assert events(executor) == {key_of(): SUCCESS}


@pytest.mark.parametrize("again", [False, True])
def test_what_was_just_handed_over_can_be_revoked_or_superseded(executor, ecs, again):
    """Before the fleet was told of it: it starts no ECS task, but the next launch does."""
    queue(executor, key_of())
    executor.trigger_workloads(1)
    if not again:
        executor.revoke_task(ti=task_instance(key_of()))
    queue(executor, key_of())
    executor.trigger_workloads(1)
    executor.sync()
    assert len(ecs.arns) == 1
    assert [launch.key for launch in executor.debug_state()["launches"]] == [key_of()]


def test_no_event_of_a_revoked_launch_is_left(executor, ecs):
    """Airflow could keep it, and store the ARN over the id of the next launch."""
    queue(executor, key_of())
    executor.heartbeat()
    assert list(executor.event_buffer) == [key_of()]
    executor.revoke_task(ti=task_instance(key_of()))
    assert executor.get_event_buffer() == {}


@pytest.mark.skipif(not AIRFLOW.has_uuids, reason="from 3.4 on")
def test_task_instances_with_the_same_coordinates_are_told_apart(executor, fleet, ecs):
    """In a loop only their UUIDs differ: each has its launch, its end and its notes, and one is revoked alone."""
    tasks = [dataclasses.replace(task_of(), uuid=str(uuid.uuid4())) for _ in range(3)]
    keys = [AIRFLOW.key_of(task) for task in tasks]
    TASKS.update(zip(keys, tasks))
    for key in keys:
        queue(executor, key)
    executor.heartbeat()
    assert executor.running == set(keys)
    told = {key: info for key, (_, info) in executor.get_event_buffer().items()}
    identities = [json.loads(identity_override(ecs.tasks[told[key]])[0]) for key in keys]
    assert [identity["uuid"] for identity in identities] == [task.uuid for task in tasks]
    executor.revoke_task(ti=task_instance(keys[0]))
    assert [executor.has_task(task_instance(key)) for key in keys] == [False, True, True]
    ecs.exit(told[keys[1]], 1)
    ecs.exit(told[keys[2]], 0)
    fleet.advance(5)
    executor.heartbeat()
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [told[keys[0]]]
    assert events(executor) == {keys[1]: FAILED, keys[2]: SUCCESS}
    failures = [log for log in executor._task_event_logs if log.event == "fargate failure"]
    assert [(str(log.task_instance_id), log.task_id) for log in failures] == [(tasks[1].uuid, "task0")]


@pytest.fixture
def orphans(monkeypatch):
    """Return a function that makes task instances of a dead scheduler and their candidates."""
    known = {}

    def make(number, external_id=None, queued_at=800.0, **members):
        key = key_of(number)
        ti = task_instance(key)
        members = {"sent_until": 900.0, **members}
        known[id(ti)] = Candidate(TASKS[key], key, external_id, queued_at, **members)
        return ti

    monkeypatch.setattr(database, "candidates", lambda tis: {known[id(ti)]: ti for ti in tis})
    return make


@pytest.fixture
def run(fakes, ecs):
    """Return a function that runs an ECS task that a dead scheduler has launched for a task instance."""

    def run(number, started=True, cluster="cluster", **changes):
        task = task_of(number)
        launch = fakes.make_launch(number, task=task, handed_over=801.0, **changes)
        arn = ecs.put(fakes.make_request(launch, cluster=cluster))
        if started:
            ecs.start(arn)
        return arn

    return run


def test_ecs_tasks_are_adopted_and_the_rest_is_given_back(executor, fleet, ecs, orphans, run):
    """What has an ECS task runs on, and its ARN is reported again; what has none may be launched anew."""
    arn = run(0)
    with_ecs_task, without = orphans(0), orphans(1)
    assert executor.try_adopt_task_instances([with_ecs_task, without]) == [without]
    assert executor.running == {key_of(0)}
    executor.heartbeat()
    assert {key: info for key, (_, info) in executor.get_event_buffer().items()} == {key_of(0): arn}
    adopted = ("fargate adoption", "task0", f"Adopted {ecs_task_text(arn, container='airflow')}")
    assert adopted in noted(executor)
    ecs.exit(arn, 0)
    fleet.advance(5)
    executor.heartbeat()
    assert events(executor) == {key_of(0): SUCCESS}


@pytest.mark.parametrize(("code", "state"), [(0, SUCCESS), (1, FAILED)])
def test_the_end_of_what_stopped_meanwhile_is_reported_at_the_next_heartbeat(
    executor, ecs, orphans, run, code, state
):
    """An ECS task that ended while there was no scheduler ends its task instance here."""
    ecs.exit(run(0), code)
    assert executor.try_adopt_task_instances([orphans(0)]) == []
    executor.heartbeat()
    assert events(executor) == {key_of(0): state}
    assert executor.running == set()


def test_what_another_database_has_is_left_alone_with_a_note(executor, fleet, ecs, orphans, run):
    """It holds no slot, is not reset, followed or stopped, and stays to Airflow's timeouts; one warning says why."""
    arns = [run(number, database="there") for number in range(2)]
    tis = [orphans(number, database="here") for number in range(2)]
    with mock.patch.object(orphan_lookup, "warn_of_another_database", autospec=True) as warn:
        assert list(executor.try_adopt_task_instances(tis)) == []
    executor.heartbeat()
    assert executor.running == set()
    assert [(event, task) for event, task, _ in noted(executor)] == [
        ("fargate adoption", "task0"),
        ("fargate adoption", "task1"),
    ]
    assert "another metadata database" in noted(executor)[0][2]
    assert warn.called
    for arn in arns:
        ecs.exit(arn, 1)
    fleet.advance(60)
    executor.heartbeat()
    assert events(executor) == {}
    assert ecs.made("stop_task") == []


@pytest.fixture
def slow_adoption(executor, fleet, monkeypatch, orphans):
    """Return a function that asks to adopt while AWS does not answer; all that is asked for is kept."""

    def adopt(*numbers):
        monkeypatch.setattr(fargate_executor, "ADOPTION_PATIENCE", 0.01)
        fleet.hold()
        tis = [orphans(number) for number in numbers]
        assert list(executor.try_adopt_task_instances(tis)) == []
        assert executor.running == {key_of(number) for number in numbers}
        fleet.hold(False)

    return adopt


@pytest.fixture
def handed_back(monkeypatch):
    """Return what is handed back to schedulers that are gone."""
    candidates = []
    monkeypatch.setattr(database, "hand_back", lambda kept, job: candidates.extend(kept))
    return candidates


def test_what_aws_answers_too_late_is_reported_as_events(
    executor, fleet, ecs, run, slow_adoption, handed_back
):
    """All are kept; later, those with an ECS task are followed and the rest is handed back."""
    running, ended = run(0), run(1)
    ecs.exit(ended, 1)
    slow_adoption(0, 1, 2)
    executor.heartbeat()
    executor.heartbeat()
    buffer = executor.get_event_buffer()
    assert buffer[key_of(0)][1] == running
    assert buffer[key_of(1)][0] == FAILED
    assert key_of(2) not in buffer
    assert executor.running == {key_of(0)}
    assert [candidate.key for candidate in handed_back] == [key_of(2)]
    ecs.exit(running, 0)
    fleet.advance(5)
    executor.heartbeat()
    assert events(executor) == {key_of(0): SUCCESS}


def test_what_has_no_ecs_task_is_given_back_at_the_second_orphan_check(
    executor, fleet, ecs, run, orphans, handed_back
):
    """As long as AWS need not know it is kept, beside what is adopted at once; what was found then is not asked again."""
    run(0)
    lost = orphans(1, sent_until=None)
    assert list(executor.try_adopt_task_instances([orphans(0), lost])) == []
    assert executor.running == {key_of(0), key_of(1)}
    fleet.advance(70)
    executor.heartbeat()
    assert [candidate.key for candidate in handed_back] == [key_of(1)]
    assert executor.running == {key_of(0)}
    listed = len(ecs.made("list_tasks"))
    assert list(executor.try_adopt_task_instances([lost])) == [lost]
    assert len(ecs.made("list_tasks")) == listed


class Rows:
    """What the database has of task instances, in the place of ``database.rows``: all wait for their launches here."""

    JOB, OTHER_JOB = 17, 18

    def __init__(self):
        self.away = False
        self.queries = 0
        #: Rows by the numbers of task instances, where they differ; None for a deleted one.
        self.changed = {}

    def change(self, number, state, try_number=1, queued_by=JOB):
        self.changed[f"task{number}"] = row_of(state, try_number, queued_by)

    def __call__(self, tasks):
        self.queries += 1
        if self.away:
            return None
        waits = row_of("queued", 1, self.JOB)
        rows = {task: self.changed.get(task.task_id, waits) for task in tasks}
        return {task: row for task, row in rows.items() if row is not None}


@pytest.fixture
def rows(unstarted, monkeypatch):
    """Let the executor be a scheduler's, and return the database that it asks."""
    rows = Rows()
    monkeypatch.setattr(unstarted, "job_id", Rows.JOB)
    monkeypatch.setattr(database, "scheduler_name", lambda job_id: f"{job_id}@1.5")
    monkeypatch.setattr(database, "rows", rows)
    monkeypatch.setattr(orphan_lookup, "find_orphans", lambda ecs_tasks, own: [])
    return rows


def notes(executor, number=0):
    return [extra for _, task_id, extra in noted(executor) if task_id == f"task{number}"]


def test_after_a_gap_nothing_stale_is_launched_or_reported(rows, executor, fleet, ecs):
    """Another scheduler has launched the next try meanwhile, of what waits here, of what AWS has accepted, of what is queued."""
    fleet.pools["launch"].held = True
    for number in range(4):
        queue(executor, key_of(number))
    executor.heartbeat()
    fleet.pools["launch"].held = False
    queue(executor, key_of(4))
    queue(executor, key_of(5))
    for number in (1, 3, 5):
        rows.change(number, "running", try_number=2, queued_by=Rows.OTHER_JOB)
    fleet.clock.at += 60
    for _ in range(3):
        executor.heartbeat()
    launched_tasks = [str(task["overrides"]) for task in ecs.tasks.values()]
    assert [number for number in range(6) if f"task{number}" in str(launched_tasks)] == [0, 2, 4]
    told = {key: info for key, (_, info) in executor.get_event_buffer().items()}
    assert told == {key_of(number): ecs_task_of(ecs, key_of(number)) for number in (0, 2, 4)}
    assert executor.running == {key_of(number) for number in (0, 2, 4)}
    why = "Airflow has begun try 2 of the task instance before its ECS task was launched: none is launched."
    assert [notes(executor, number) for number in (1, 3, 5)] == [[why]] * 3


@pytest.mark.parametrize("state", ["success", "deleted"])
def test_what_a_user_has_marked_cleared_or_deleted_is_let_go(rows, executor, fleet, ecs, state):
    """While it waits for capacity it no longer asks, and while its ECS task starts that is stopped; no command has failed."""
    ecs.next(
        "run_task", *[{"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}] * 999
    )
    queue(executor, key_of(0))
    executor.heartbeat()
    ecs._answers.clear()
    queue(executor, key_of(1), executor_config={"taskDefinition": "another"})  # Of another kind of capacity.
    executor.heartbeat()
    (starting,) = ecs.arns
    ecs.next(
        "run_task", *[{"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}] * 999
    )
    executor.get_event_buffer()
    for number in range(2):
        rows.change(number, state)
        if state == "deleted":
            rows.changed[f"task{number}"] = None
    for _ in range(310):
        fleet.advance(1)
        executor.heartbeat()
    made = len(ecs.tokens)
    for _ in range(60):
        fleet.advance(1)
        executor.heartbeat()
    assert len(ecs.tokens) == made
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [starting]
    assert executor.running == set()
    assert executor.get_event_buffer() == {}
    ended = {
        0: "before its ECS task was launched: none is launched.",
        1: "while its ECS task was starting: it is stopped.",
    }
    assert [notes(executor, number)[-1].endswith(text) for number, text in ended.items()] == [True, True]
    assert {event for event, _, _ in noted(executor)} == {"fargate launch"}


def test_what_hangs_is_stopped_and_its_slot_is_free(rows, executor, fleet, ecs):
    """Its task instance has ended by a time-out; its ECS task has ten minutes to end by itself."""
    queue(executor, key_of())
    executor.heartbeat()
    ecs.start(ecs.arns[0])
    fleet.advance(3)
    rows.change(0, "skipped")
    for seconds in range(int(ENDING + 320)):
        fleet.advance(1)
        executor.heartbeat()
        if not executor.running and seconds < ENDING:
            assert not ecs.made("stop_task")
    assert [call.arguments[1] for call in ecs.made("stop_task")] == ecs.arns
    assert executor.running == set()
    assert notes(executor)[-1].startswith(
        "The task instance was marked skipped, and its ECS task has not ended"
    )


def test_what_another_scheduler_has_adopted_is_its_own(rows, executor, fleet, ecs):
    """It runs on, its slot here is free, and only that scheduler reports its end."""
    queue(executor, key_of())
    executor.heartbeat()
    ecs.start(ecs.arns[0])
    executor.get_event_buffer()
    rows.change(0, "running", queued_by=Rows.OTHER_JOB)
    for _ in range(310):
        fleet.advance(1)
        executor.heartbeat()
    assert executor.running == set()
    ecs.exit(ecs.arns[0], 1)
    fleet.advance(5)
    executor.heartbeat()
    assert executor.get_event_buffer() == {}
    assert not ecs.made("stop_task")


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_a_failure_is_reported_until_airflow_has_taken_it(rows, executor, fleet, ecs, state):
    """The scheduler drops an event whose row another session has locked."""
    queue(executor, key_of())
    executor.heartbeat()
    ecs.exit(ecs.arns[0], 1)
    fleet.advance(5)
    executor.heartbeat()
    first = executor.get_event_buffer()[key_of()]
    rows.change(0, state)
    fleet.advance(FAILURE_CHECK_DELAY)
    executor.heartbeat()
    assert executor.get_event_buffer() == ({key_of(): first} if state == "queued" else {})
    assert [event for event, _, _ in noted(executor)].count("fargate failure") == 1


def test_a_heartbeat_makes_one_query_at_most(rows, unstarted, monkeypatch):
    """However many launches there are, and whatever happens to them."""
    # Describing ECS tasks needs no query: few calls keep the test short.
    monkeypatch.setenv("AIRFLOW__FARGATE__POLL_INTERVAL", "60")
    unstarted.start()
    unstarted.parallelism = 5000
    for number in range(3 * BATCH):
        queue(unstarted, key_of(number))
    unstarted.heartbeat()
    for _ in range(400):
        unstarted._fleet_thread.advance(1)
        before = rows.queries
        unstarted.heartbeat()
        assert rows.queries <= before + 1
    assert len(unstarted.get_event_buffer()) == 3 * BATCH


def test_orphaned_ecs_tasks_are_stopped(unstarted, ecs, run, monkeypatch):
    """ECS tasks of no launch here are compared with the database; orphaned ones get StopTask."""
    asked = []
    monkeypatch.setattr(unstarted, "job_id", None)
    monkeypatch.setattr(
        orphan_lookup,
        "find_orphans",
        lambda ecs_tasks, own: asked.append((ecs_tasks, own)) or [ecs_tasks[0].arn],
    )
    unstarted.start()
    arns = [run(number, scheduler="1@2.0", started=False) for number in range(2)]
    unstarted.heartbeat()
    unstarted._fleet_thread.advance(FIRST_DELAYS[0] + 2)
    unstarted.heartbeat()
    ((ecs_tasks, own),) = asked
    assert ({task.arn for task in ecs_tasks}, own) == (set(arns), None)
    assert [call.arguments[1] for call in ecs.made("stop_task")] == [ecs_tasks[0].arn]
    assert unstarted.get_event_buffer() == {}


def test_an_ecs_task_says_which_scheduler_has_launched_it(unstarted, ecs, monkeypatch):
    """The name of the scheduler's job goes into the identity, and only there."""
    monkeypatch.setattr(unstarted, "job_id", 17)
    monkeypatch.setattr(database, "scheduler_name", lambda job_id: f"{job_id}@1.5")
    monkeypatch.setattr(database, "own_address_hash", lambda: "0123456789ab")
    unstarted.start()
    queue(unstarted, key_of())
    unstarted.heartbeat()
    (task,) = ecs.tasks.values()
    identity = Identity.parse(*identity_override(task))
    assert (identity.scheduler, identity.database) == ("17@1.5", "0123456789ab")


def test_the_end_leaves_ecs_tasks_alone(executor, fleet, ecs):
    """end() launches nothing more and stops nothing: the next scheduler adopts what runs."""
    queue(executor, key_of())
    executor.heartbeat()
    executor.end()
    assert fleet._context.leaving.is_set()
    assert not ecs.made("stop_task")
    assert ecs.tasks[ecs.arns[0]]["desiredStatus"] == "RUNNING"


@pytest.mark.parametrize(("job_id", "launched_tasks"), [(None, 1), (17, 0)], ids=["command", "scheduler"])
def test_the_end_launches_what_no_other_scheduler_would(
    monkeypatch, connected, ecs, fakes, job_id, launched_tasks
):
    """2.11's ``airflow tasks run`` starts an executor, queues, and ends it; a scheduler's successor launches what waits."""
    monkeypatch.setattr(database, "scheduler_name", lambda job_id: None)
    monkeypatch.setattr(database, "rows", Rows())
    executor = FargateExecutor(parallelism=1)
    executor.job_id = job_id
    executor.start()
    queue(executor, key_of())
    executor.trigger_workloads(1)
    executor.end()
    fakes.until(lambda: not our_threads())
    assert len(ecs.arns) == launched_tasks


def test_terminate_stops_all_and_launches_nothing(executor, fleet, ecs):
    """Every live ECS task gets StopTask with a reason; what waits is not launched."""
    for number in range(5):
        queue(executor, key_of(number))
    executor.heartbeat()
    fleet.pools["build"].held = True
    queue(executor, key_of(5))
    executor.heartbeat()
    executor.terminate()
    fleet.pools["build"].held = False
    fleet.settle()
    stops = [call.arguments for call in ecs.made("stop_task")]
    assert len(ecs.arns) == 5
    assert sorted(arn for _, arn, _ in stops) == sorted(ecs.arns)
    assert all("terminated" in reason for _, _, reason in stops)


def test_the_end_is_soon_though_calls_hang(threaded, fakes, ecs, monkeypatch):
    """However many calls never come home, end() returns when its patience is over."""
    monkeypatch.setattr(fargate_executor, "END_PATIENCE", 0.2)
    release = threading.Event()
    ecs.next("run_task", *[lambda *_: release.wait()] * 5)
    for number in range(5):
        queue(threaded, key_of(number))
    threaded.heartbeat()
    fakes.until(lambda: len(ecs.calls) == 5)
    began = time.monotonic()
    threaded.end()
    assert time.monotonic() - began < 5
    release.set()


def test_a_bug_of_the_fleet_does_not_leave_sync(threaded, fakes, ecs):
    """The scheduler does not guard heartbeat(): a bug of the fleet is logged, and the fleet goes on."""

    def boom():
        raise ValueError("a bug")

    queue(threaded, key_of())
    fakes.until(lambda: threaded.heartbeat() or ecs.arns)
    with mock.patch.object(fleet_thread, "log", autospec=True) as log:
        threaded._fleet_thread.tell(boom)
        fakes.until(lambda: threaded.heartbeat() or log.error.called)
    assert isinstance(log.error.call_args.kwargs["exc_info"], ValueError)
    ecs.exit(ecs.arns[0], 0)
    told = {}
    fakes.until(
        lambda: threaded.heartbeat() or told.update(events(threaded)) or told.get(key_of()) == SUCCESS
    )
    assert len(ecs.tokens) == 1


def test_no_secret_reaches_a_log_or_a_repr(fakes, executor, fleet, ecs):
    """Neither the token in a command nor a value of executor_config is written down, whatever goes wrong."""
    lines = []

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    handler, logger = Lines(), logging.getLogger("airflow.executors.fargate")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        lost = fakes.Lost(ConnectionResetError())
        ecs.next(
            "run_task",
            None,
            lost,
            fakes.aws_error("AccessDeniedException"),
            {"failures": [{"reason": "ATTRIBUTE"}]},
        )
        environment = [{"name": "PASSWORD", "value": SECRET}]
        good = {"overrides": {"containerOverrides": [{"environment": environment}]}}
        bad = [
            {"overrides": {"containerOverrides": [{"environment": SECRET}]}},
            {"propagateTags": SECRET},
            {"tags": [{"key": SECRET * 50, "value": SECRET}]},
            {SECRET: 1},
            {"clientToken": SECRET},
        ]
        for number, config in enumerate([*[good] * 5, *bad[:3], bad[4]]):
            if HAS_WORKLOADS:
                queue(executor, key_of(number), config)
            else:
                executor.execute_async(key_of(number), ["run", SECRET], None, config)
        executor.heartbeat()
        fleet.advance(30)
        shown = [repr(run) for run in fleet.fleet.runs_by_id.values()]
        for arn in ecs.arns:
            ecs.exit(arn, 1)
        fleet.advance(30)
        shown += [repr(event) for event in fleet.told]
        executor.heartbeat()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    shown += [repr(executor), repr(executor.get_event_buffer()), repr(noted(executor))]
    tokens = [
        json.loads(task["overrides"]["containerOverrides"][0]["command"][-1])["token"]
        for task in ecs.tasks.values()
        if HAS_WORKLOADS
    ]
    assert lines
    assert ecs.arns
    for text in [*lines, *shown]:
        assert SECRET not in text
        assert not any(token in text for token in tokens)


def test_options_without_a_section_have_their_defaults(monkeypatch):
    """By its module path alone, on an Airflow that does not know [fargate], the executor works by the template."""
    monkeypatch.setenv("AIRFLOW__FARGATE__CLUSTER", "mine")
    get = settings.option_reader()
    assert (get("cluster"), get("deployment"), get("task_definition")) == ("mine", "airflow", None)


def test_without_boto3_the_message_says_what_to_install(monkeypatch):
    """boto3 is no requirement of Airflow's core."""
    clients.service_model.cache_clear()
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match="boto3 is not installed"):
        clients.service_model()


def test_the_dump_on_sigusr2_shows_no_token(executor, fleet):
    """What the scheduler writes to its log on SIGUSR2 has keys and no commands."""
    queue(executor, key_of())
    with mock.patch.object(type(executor), "log", new_callable=mock.PropertyMock) as log:
        executor.debug_dump()
    written = str(log.return_value.info.call_args_list)
    assert str(key_of()) in written
    assert SECRET not in written


def test_the_client_goes_where_the_options_say(fakes):
    """Region and endpoint_url reach boto3's client, and its own retries are off."""
    config = fakes.make_config(region="eu-central-1", endpoint_url="http://127.0.0.1:9")
    make_session = sessions.session_maker(None, config.region)
    ecs = clients.connect(make_session, region=config.region, endpoint_url=config.endpoint_url, connections=1)
    client = ecs.connected()
    assert client.meta.region_name == "eu-central-1"
    assert client.meta.endpoint_url == "http://127.0.0.1:9"
    assert client.meta.config.retries["total_max_attempts"] == 1


def test_the_default_function_makes_the_options_request(options):
    """Called without arguments, it returns a function from a command to a run_task request."""
    function = fargate_executor.default_task_id_to_fargate_options_function()
    request = function(["airflow", "version"])
    assert (request["cluster"], request["taskDefinition"]) == ("cluster", "airflow:1")
    assert request["overrides"]["containerOverrides"] == [
        {"name": "airflow", "command": ["airflow", "version"]}
    ]


def test_the_default_function_reports_mistakes(options, monkeypatch):
    """A user's function that builds on it gets the same one message."""
    monkeypatch.delenv("AIRFLOW__FARGATE__CLUSTER")
    with pytest.raises(ConfigError, match="cluster"):
        fargate_executor.default_task_id_to_fargate_options_function()

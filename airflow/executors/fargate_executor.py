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
FargateExecutor: runs each task instance in an ECS task of its own on AWS Fargate.

.. seealso:: For more information on how the FargateExecutor works, take a look at the guide:
    :ref:`executor:FargateExecutor`
"""

from __future__ import annotations

import concurrent.futures
import gc
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import compat, database, sessions, workloads
from airflow.executors.fargate.bridge.database_address import warn_of_another_database
from airflow.executors.fargate.bridge.ledger import Ledger
from airflow.executors.fargate.bridge.lookups import Lookups
from airflow.executors.fargate.bridge.metrics import Metrics
from airflow.executors.fargate.bridge.reporter import Reporter
from airflow.executors.fargate.bridge.wanted import Rules
from airflow.executors.fargate.errors import ConfigError
from airflow.utils.state import TaskInstanceState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from airflow.cli.cli_config import GroupCommand
    from airflow.executors.fargate.aws.ecs import Ecs
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.fleet.orphan_checks import Adopted
    from airflow.executors.fargate.fleet.thread import FleetThread
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.logs.cloudwatch import LogReader
    from airflow.executors.fargate.logs.live import RunningLog
    from airflow.executors.fargate.present import Candidate
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancekey import TaskInstanceKey

#: Seconds that end() waits for calls under way; the scheduler's process gets SIGKILL soon after SIGTERM.
END_PATIENCE = 12.0
#: Seconds that terminate() takes at most: each StopTask call stops one ECS task.
TERMINATE_PATIENCE = 300.0
#: Seconds that the scheduler waits for AWS when it adopts; Airflow locks the rows of the task instances
#: meanwhile. Task instances that are not settled by then are kept, and settled later.
ADOPTION_PATIENCE = 8.0
#: Notes on task instances that are neither adopted nor given back.
REFUSED = (
    "AWS refuses to say whether it has an ECS task of the previous scheduler. It is neither followed nor "
    "launched anew; Airflow's timeouts decide."
)
ELSEWHERE = (
    "Its ECS task comes from another metadata database under the same [fargate] deployment. It is neither "
    "followed nor launched anew; Airflow's timeouts decide. The scheduler's log says what to do."
)


def default_task_id_to_fargate_options_function() -> Callable[[list[str]], dict[str, Any]]:
    """
    Return the function that the ``[fargate]`` options make, the default of ``execution_config_function``.

    The function takes an Airflow command, a list of strings, and returns a ``run_task`` request, a dict. A
    function of your own may call this one and change what its function returns.

    :raises ConfigError: with every mistake in the options.
    """
    from airflow.executors.fargate.aws.clients import service_model
    from airflow.executors.fargate.config.config import FargateConfig
    from airflow.executors.fargate.request.builder import default_request
    from airflow.executors.fargate.request.validation import RequestCheck

    launch_types = RequestCheck(service_model()).launch_types
    config = FargateConfig.from_options(compat.option_reader(), launch_types, call_function=False)
    return lambda command: default_request(config, command)


class FargateExecutor(BaseExecutor):
    """
    Runs each task instance in an ECS task of its own on AWS Fargate.

    This class connects the scheduler with the fleet. The fleet has a thread of its own and makes all calls to
    AWS; only adoption, :meth:`end` and :meth:`terminate` wait for AWS, for a limited time. Only the
    scheduler's thread calls this class.

    **The same key twice.** A defer, a reschedule and a requeue keep the try number, so Airflow can hand over
    a key while its earlier ECS task is still ending. When Airflow queues the key again, the earlier launch is
    superseded: its slot is free, and its end is not reported. When the end comes earlier, while the task
    instance is SCHEDULED, Airflow would fail it (3.0, 3.1; 3.2 and 3.3 for reschedules): :meth:`has_task`
    then says that the executor has it. Both rely on the scheduler's code (``trigger_tasks`` of 2.11 and 3.0;
    ``process_executor_events`` of 3.0 to 3.3), and can be removed when no supported release fails a task
    instance for the end of an earlier launch.
    """

    is_local: bool = False
    is_production: bool = True
    supports_ad_hoc_ti_run: bool = False
    # 3.2 and newer: the scheduler stores an id of the launch in the transaction that queues the task
    # instance.
    pre_assigns_external_executor_id = True
    # 3.2 and newer: each team has its own executor and options.
    supports_multi_team: bool = True
    # An executor that does not support them would end the scheduler of 3.2; callbacks that cannot run fail.
    supports_callbacks: bool = compat.HANDS_OVER_CALLBACKS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fleet_thread: FleetThread | None = None
        self._ledger = Ledger()
        self._lookups = Lookups(self._ledger)
        self._metrics = Metrics(
            lambda: compat.stats(),
            executor_class_name=type(self).__name__,
            team_name=compat.team_of(self),
        )
        self._reporter = Reporter(self, self._ledger, self._lookups, self._metrics)
        #: Priorities of the queued commands, 2.11.
        self._priorities: dict[TaskInstanceKey, int] = {}
        #: Events that the scheduler has still to save, or is saving: see :meth:`log_task_event`.
        self._unsaved_events: list[Any] = []
        #: The name of this scheduler, and the hash of its metadata database's address.
        self._scheduler: str | None = None
        self._database: str | None = None
        self._running_log: RunningLog | None = None

    # The interface that the proposal names (AIP-29).

    def start(self) -> None:
        """
        Read the options and make the client; no call to AWS is made, and no thread is started yet.

        :raises ConfigError: with every mistake in the options.
        """
        from airflow.executors.fargate.fleet.thread import FleetThread
        from airflow.executors.fargate.request.builder import RequestBuilder
        from airflow.executors.fargate.request.validation import RequestCheck

        with compat.starting(self):
            config, ecs, logs = self._connect()
        function = compat.with_options_of(self, config.called_function)
        build = RequestBuilder(config, function, RequestCheck(ecs.service_model))
        self._scheduler = database.scheduler_name(self.job_id)
        self._database = database.own_address_hash() if self._scheduler else None
        rules = Rules.of(self.job_id, compat.ASSIGNS_IDS, compat.RUNS_OWN_TRY, compat.FAILS_RUNNING)
        interval, lease = compat.sweep_interval(), compat.lease()
        self._lookups.start(database.rows, rules, interval, lease, time.monotonic, time.time)
        self._fleet_thread = FleetThread(
            ecs,
            config,
            build,
            interval,
            logs,
            compat.mask_secrets,
            self._scheduler,
            None if rules is None else lease,
        )
        # What the scheduler has loaded by now stays for good. A full collection that walks all of it takes a
        # tenth of a second, in which no thread of the process runs. Garbage is collected first: frozen, it
        # would stay as well.
        gc.collect()
        gc.freeze()
        self.log.info("FargateExecutor: cluster %s, deployment %s", config.cluster, config.deployment)

    def _connect(self) -> tuple[FargateConfig, Ecs, LogReader]:
        """Return the options, the ECS client that they make, and what reads logs."""
        from airflow.executors.fargate.aws import clients
        from airflow.executors.fargate.config.config import FargateConfig
        from airflow.executors.fargate.fleet.calls import LOG_CONCURRENCY, connections
        from airflow.executors.fargate.logs.cloudwatch import log_reader
        from airflow.executors.fargate.request import startup_checks
        from airflow.executors.fargate.request.validation import RequestCheck

        session_maker = partial(sessions.session_maker, team_name=compat.team_of(self))
        check = RequestCheck(clients.service_model())
        config = FargateConfig.from_options(
            compat.option_reader(self),
            check.launch_types,
            default_region=sessions.default_region,
            check_connection=partial(session_maker, region=None),
            check_requests=partial(startup_checks.mistakes, check),
        )
        make_session = session_maker(config.conn_id, config.region)
        ecs = clients.connect(
            make_session,
            region=config.region,
            endpoint_url=config.endpoint_url,
            connections=connections(config),
        )
        return config, ecs, log_reader(ecs, make_session, LOG_CONCURRENCY)

    def sync(self) -> None:
        """Report to the scheduler what has happened since the last heartbeat; no call to AWS is made."""
        thread = self._require_thread()
        thread.ensure_running()
        self._ledger.beat()
        self._unsaved_events = list(self._task_event_logs)
        self._reporter.report(thread, self._scheduler)
        self._metrics.report(thread.fleet.counters, thread.restarts)

    def execute_async(
        self,
        key: TaskInstanceKey,
        command: Sequence[str],
        queue: str | None = None,
        executor_config: Any = None,
    ) -> None:
        """Hand a command to the fleet; 2.11 calls this for each task instance."""
        priority = self._priorities.get(key, 0)
        self._hand_over(
            workloads.launch_of_command(key, command, queue, executor_config, priority, time.time())
        )

    def end(self) -> None:
        """
        Launch nothing more and leave, within 15 seconds.

        ECS tasks run on; the next scheduler adopts them. Without a scheduler, as in 2.11's ``airflow tasks
        run``, what was handed over is launched first, because no other scheduler would do so.
        """
        if self._fleet_thread is not None:
            self._fleet_thread.close(END_PATIENCE, deliver=self.job_id is None)
            self._fleet_thread = None

    def terminate(self) -> None:
        """Stop all ECS tasks, and leave."""
        if self._fleet_thread is not None:
            self._fleet_thread.leave()
            self._fleet_thread.ensure_running()
            fleet = self._fleet_thread.fleet
            self._fleet_thread.tell(fleet.revoke_all, "Airflow's scheduler was terminated")
            self._fleet_thread.close(TERMINATE_PATIENCE)
            self._fleet_thread = None

    # The hand-over.

    if compat.QUEUES_WORKLOADS_ITSELF:

        def queue_workload(self, workload: Any, session: Session) -> None:
            """Queue a workload, which 3.0 leaves to the executor."""
            self.queued_tasks[workload.ti.key] = workload

    def trigger_tasks(self, open_slots: int) -> None:
        """
        Free the slots of keys that Airflow has queued again, then hand over what is queued.

        Airflow queues a key again after a defer, a reschedule or a requeue: the earlier launch has done its
        work, but its ECS task may still be ending. 2.11 and 3.0 would drop such a key after some seconds.
        After a gap between two heartbeats, in which another scheduler may have taken over what is queued
        here, that is looked up first.
        """
        if not self._drop_unwanted():
            return
        self.running.difference_update(self.queued_tasks)
        self._priorities = workloads.priorities(self.queued_tasks)
        super().trigger_tasks(open_slots)

    def _drop_unwanted(self) -> bool:
        """Remove what is queued here and no longer wanted; return False where that is not known now."""
        unwanted = self._lookups.not_wanted(
            lambda: [workloads.queued_launch(key, queued) for key, queued in self.queued_tasks.items()]
        )
        for finding in unwanted or ():
            del self.queued_tasks[finding.launch.key]
            text = f"{finding.reason} before its ECS task was launched: none is launched."
            self.log_task_event(event="fargate launch", extra=text, ti_key=finding.launch.key)
        return unwanted is not None

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        """Hand workloads to the fleet, 3.0 and newer."""
        launches = []
        for workload in workload_items:
            key = workloads.workload_key(workload)
            is_task = hasattr(workload, "ti")
            # 3.2 and newer have a queue of their own for callbacks.
            queue: dict[Any, Any] = self.queued_tasks if is_task else getattr(self, "queued_callbacks")
            del queue[key]
            self.running.add(key)
            if is_task or compat.RUNS_CALLBACKS:
                launches.append(workloads.launch_of_workload(workload, time.time()))
            else:
                self.fail(key, "Airflow executes callbacks in containers from 3.3 on. Name another executor.")
        # 3.2 hands over the lowest priority first.
        for launch in sorted(launches, key=lambda launch: launch.priority, reverse=True):
            self._hand_over(launch)

    def _hand_over(self, launch: Launch) -> None:
        thread = self._require_thread()
        launch = replace(launch, scheduler=self._scheduler, database=self._database)
        self._supersede(self._ledger.replace(launch.key, launch.without_workload()))
        thread.tell(thread.fleet.add, launch)

    def _supersede(self, earlier: Launch | None) -> None:
        if earlier is not None:
            thread = self._require_thread()
            thread.tell(thread.fleet.supersede, earlier.id)

    def _require_thread(self) -> FleetThread:
        if self._fleet_thread is None:
            raise ConfigError(["The executor was not started; its start() must be called first."])
        return self._fleet_thread

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Launch nothing for a task instance, and stop its ECS task if there is one."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        self.running.discard(key)
        launch = self._ledger.revoke(key)
        if launch is not None and self._fleet_thread is not None:
            reason = "Airflow has revoked the task instance: it was queued for too long"
            self._fleet_thread.tell(self._fleet_thread.fleet.revoke, launch.id, reason)

    # What the scheduler asks.

    def has_task(self, task_instance: TaskInstance) -> bool:
        """
        Tell whether the task instance is queued or running here.

        The scheduler asks when it reads the end of a launch, and fails a task instance that did not end with
        it. A task instance that is SCHEDULED by then has deferred or rescheduled itself in that launch and
        waits to be queued again: only its ECS task has ended.
        """
        if super().has_task(task_instance):
            return True
        scheduled = task_instance.state == TaskInstanceState.SCHEDULED
        return scheduled and self._ledger.has_just_ended(task_instance.key)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """
        Adopt the ECS tasks of task instances whose scheduler is gone.

        :return: the task instances without an ECS task, which the scheduler may launch anew. Those of which
            AWS does not answer in time are kept.
        """
        if not tis:
            return []
        thread = self._require_thread()
        thread.ensure_running()
        tis_by_candidate = database.candidates(tis)
        unknown = [c for c in tis_by_candidate if not self._ledger.has(c, self.queued_tasks)]
        if not unknown:
            return []
        answer = self._look_for(thread, unknown)
        for found in answer.found:
            self._supersede(self._ledger.replace(found.candidate.key, found.launch))
            self.running.add(found.candidate.key)
        for candidate in answer.unknown:
            self.log_task_event(event="fargate adoption", extra=REFUSED, ti_key=candidate.key)
        for candidate in answer.elsewhere:
            warn_of_another_database()
            self.log_task_event(event="fargate adoption", extra=ELSEWHERE, ti_key=candidate.key)
        for candidate in answer.kept:
            self._supersede(self._ledger.keep(candidate))
            self.running.add(candidate.key)
        if answer.kept:
            self.log.warning(
                "It is not known yet which of %d task instances have an ECS task", len(answer.kept)
            )
        self.log.info(
            "Adopted %d task instances, %d have no ECS task", len(answer.found), len(answer.missing)
        )
        return [tis_by_candidate[candidate] for candidate in answer.missing]

    def _look_for(self, thread: FleetThread, candidates: Sequence[Candidate]) -> Adopted:
        """Return what is known within :data:`ADOPTION_PATIENCE`; events report the rest later."""
        from airflow.executors.fargate.fleet.orphan_checks import Adopted

        reply: concurrent.futures.Future[Adopted] = concurrent.futures.Future()
        thread.tell(thread.fleet.look_for, candidates, reply)
        try:
            return reply.result(timeout=ADOPTION_PATIENCE)
        except concurrent.futures.TimeoutError:
            # The fleet's thread is busy or has died; if cancel() fails, the answer has just come.
            return Adopted(kept=tuple(candidates)) if reply.cancel() else reply.result()

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """
        Return what the main container of a running try has written to CloudWatch: the sources, and the lines.

        The API server calls this, in whose process the executor was never started. It gets an answer within 5
        seconds: the lines, or the reason why there are none.
        """
        from airflow.executors.fargate.logs.live import RunningLog

        if try_number != ti.try_number:
            return [], []  # 2.11 asks for any try while the last one runs.
        if self._running_log is None:
            self._running_log = RunningLog(
                compat.option_reader(self),
                partial(sessions.session_maker, team_name=compat.team_of(self)),
                compat.mask_secrets,
                compat.READS_LINES_AS_JSON,
            )
        return self._running_log.read(ti.external_executor_id)

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        """
        Add an event to the event log of a task instance, which the UI shows.

        The scheduler removes events from the queue one by one and saves them together in the end. SQLAlchemy
        holds them weakly until then, so the executor keeps a reference: otherwise they would be lost, with
        all that was to be saved.
        """
        super().log_task_event(event=event, extra=database.storable(extra), ti_key=ti_key)
        # Airflow keeps no events of callbacks.
        if self._task_event_logs:
            self._unsaved_events.append(self._task_event_logs[-1])

    def debug_dump(self) -> None:
        """Log the keys that are here, on SIGUSR2; the base class would log commands with their tokens."""
        for name in ("queued_tasks", "queued_callbacks", "running", "event_buffer"):
            keys = list(getattr(self, name, ()))
            self.log.info("executor.%s (%d)\n\t%s", name, len(keys), "\n\t".join(map(repr, keys)))

    @staticmethod
    def get_cli_commands() -> list[GroupCommand]:
        """Return ``airflow fargate``; 2.11, 3.0 and 3.1 ask the configured executors for their commands."""
        from airflow.executors.fargate.cli.definition import fargate_commands

        return fargate_commands()

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

import gc
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws import clients
from airflow.executors.fargate.bridge import compat, database, workloads
from airflow.executors.fargate.bridge.base import Base
from airflow.executors.fargate.bridge.ledger import Ledger
from airflow.executors.fargate.bridge.lookups import Lookups
from airflow.executors.fargate.bridge.reporter import Reporter
from airflow.executors.fargate.errors import FargateError
from airflow.executors.fargate.fleet.calls import LOG_CONCURRENCY, connections
from airflow.executors.fargate.fleet.context import Context
from airflow.executors.fargate.fleet.orphan_checks import AdoptionAnswer
from airflow.executors.fargate.fleet.thread import FleetThread
from airflow.executors.fargate.launch import Launch, Lease
from airflow.executors.fargate.logs.cloudwatch import LogReader
from airflow.executors.fargate.logs.live import RunningLog
from airflow.executors.fargate.request.builder import RequestBuilder, default_request
from airflow.executors.fargate.request.startup_checks import read_options, read_without_function
from airflow.utils.state import TaskInstanceState

if TYPE_CHECKING:
    from airflow.cli.cli_config import GroupCommand
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancekey import TaskInstanceKey

#: Seconds that end() waits for calls under way; the scheduler's process gets SIGKILL soon after SIGTERM.
END_PATIENCE = 12.0
#: Seconds that terminate() takes at most: each StopTask call stops one ECS task.
TERMINATE_PATIENCE = 300.0
#: Seconds that the scheduler waits for AWS when it adopts, while Airflow locks the task instances' rows.
ADOPTION_PATIENCE = 8.0


def default_task_id_to_fargate_options_function() -> Callable[[list[str]], dict[str, Any]]:
    """
    Return the function that the ``[fargate]`` options make, the default of ``execution_config_function``.

    The proposal, AIP-29, has given it its name.

    The function takes an Airflow command, a list of strings, and returns a ``run_task`` request, a dict. A
    function of your own may call this one and change what its function returns.

    :raises ConfigError: with every mistake in the options.
    """
    return partial(default_request, read_without_function(compat.option_reader()))


class FargateExecutor(Base):
    """
    Runs each task instance in an ECS task of its own on AWS Fargate.

    This class connects the scheduler with the fleet, by the interface that the proposal names (AIP-29). The
    fleet makes all calls to AWS, on threads of its own; only adoption, :meth:`end` and :meth:`terminate` wait
    for AWS, for a limited time. The scheduler's thread calls all methods, but for :meth:`get_task_log`.

    Airflow 2.11 hands over each command by :meth:`execute_async`, 3.0 and newer workloads by
    ``_process_workloads()``; both end in ``_hand_over()``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fleet_thread: FleetThread | None = None
        self._ledger = Ledger()  # Airflow can hand over the same key twice.
        options, as_json = compat.option_reader(self), compat.READS_LINES_AS_JSON
        self._running_log = RunningLog(options, self.session_maker, compat.mask_secrets, as_json)

    def start(self) -> None:
        """
        Read the options and make the client. Only a connection that assumes a role calls AWS: STS.

        :raises ConfigError: with every mistake in the options.
        """
        # None in a Dag's test, which has no scheduler.
        own_job = self.job_id if isinstance(self.job_id, int) else None
        context = self._connect(None if own_job is None else compat.lease())
        name, config = context.scheduler, context.config
        #: The name of this scheduler, and the hash of its metadata database's address.
        self._origin: Any = {"scheduler": name, "database": name and database.own_address_hash()}
        self._fleet_thread = thread = FleetThread(context)
        self._lookups = Lookups(self._ledger, database.rows, own_job, compat.sweep_interval(), context.lease)
        self._reporter = Reporter(self, thread, self._ledger, self._lookups)
        # Garbage collection no longer walks what exists now: that took 0.1 s, in which no thread runs.
        gc.collect()
        gc.freeze()
        self.log.info("FargateExecutor: cluster %s, deployment %s", config.cluster, config.deployment)

    def sync(self) -> None:
        """Report to the scheduler what has happened since the last heartbeat; no call to AWS is made."""
        self._require_thread().ensure_running()
        self._unsaved_events = list(self._task_event_logs)
        self._reporter.report()

    def execute_async(
        self, key: TaskInstanceKey, command: Any, queue: str | None = None, executor_config: Any = None
    ) -> None:
        """Hand a command, a list of strings, to the fleet; 2.11 calls this for each task instance."""
        now, priority = time.time(), self._priorities.get(key, 0)
        self._hand_over([workloads.launch_of_command(key, command, queue, executor_config, now, priority)])

    def end(self) -> None:
        """
        Launch nothing more and leave, within 15 seconds; the next scheduler adopts the ECS tasks.

        Without a scheduler (2.11's ``airflow tasks run``), what was handed over is launched first.
        """
        if self._fleet_thread is not None:
            self._fleet_thread.close(END_PATIENCE, deliver=self.job_id is None)
            self._fleet_thread = None

    def terminate(self) -> None:
        """Stop all ECS tasks, and leave."""
        if (thread := self._fleet_thread) is not None:
            thread.leave()
            thread.ensure_running()
            thread.tell(thread.fleet.revoke_all, "Airflow's scheduler was terminated")
            thread.close(TERMINATE_PATIENCE)
            self._fleet_thread = None

    def _connect(self, lease: float | None) -> Context:
        """Return what the fleet has from outside: the options, and what they make to ask AWS."""
        with compat.options_of(self):
            config = read_options(compat.option_reader(), self.session_maker)
            session = self.session_maker(config.conn_id, config.region)
            ecs = clients.connect(session, config.region, config.endpoint_url, connections(config))
        config = replace(config, command_to_request=compat.options_of(self)(config.command_to_request))
        make_logs = partial(clients.make_client, service="logs", max_pool_connections=LOG_CONCURRENCY)
        return Context(
            ecs,
            config,
            RequestBuilder(config),
            time.monotonic,
            time.time,
            Lease(lease, time.monotonic, time.time),
            sweep_interval=compat.sweep_interval(),
            logs=LogReader(ecs.describe_logs, lambda region: make_logs(session(), region=region)),
            mask=compat.mask_secrets,
            scheduler=database.scheduler_name(self.job_id),
        )

    def trigger_tasks(self, open_slots: int) -> None:
        """
        Free the slots of keys that Airflow has queued again, then hand over what is queued.

        2.11 and 3.0 would drop a key that is still running after some seconds. After a gap between two
        heartbeats, another scheduler may have taken over what is queued here, so the database is asked first.
        """
        self._require_thread()
        queued = lambda: [workloads.queued_launch(*item) for item in self.queued_tasks.items()]
        unwanted = self._lookups.not_wanted(queued)
        if unwanted is None:
            return
        for finding in unwanted:
            del self.queued_tasks[finding.launch.key]
            text = f"{finding.reason} before its ECS task was launched: none is launched."
            self._reporter.note(finding.launch, text)
        self.running.difference_update(self.queued_tasks)
        super().trigger_tasks(open_slots)

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        """Hand workloads to the fleet, 3.0 and newer."""
        launches = []
        for workload in workload_items:
            key, is_task = workloads.workload_key(workload), hasattr(workload, "ti")
            # 3.2 and newer have a queue of their own for callbacks.
            queue: dict[Any, Any] = self.queued_tasks if is_task else getattr(self, "queued_callbacks")
            del queue[key]
            self.running.add(key)
            if is_task or compat.RUNS_CALLBACKS:
                launches.append(workloads.launch_of_workload(workload, time.time()))
            else:
                self.fail(key, "Airflow executes callbacks in containers from 3.3 on. Name another executor.")
        # 3.2 hands over the lowest priority first.
        self._hand_over(sorted(launches, key=lambda launch: launch.priority, reverse=True))

    def _hand_over(self, launches: Sequence[Launch]) -> None:
        thread, launches = self._require_thread(), [replace(launch, **self._origin) for launch in launches]
        for launch in launches:
            self._reporter.supersede(self._ledger.replace(launch.key, launch.without_workload()))
        # Only now: once the fleet's thread has work, both threads share the interpreter.
        for launch in launches:
            thread.tell(thread.fleet.add, launch)

    def _require_thread(self) -> FleetThread:
        if self._fleet_thread is None:
            raise FargateError("The executor was not started: call start() first.")
        return self._fleet_thread

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Launch nothing for a task instance, and stop its ECS task if there is one."""
        self.queued_tasks.pop(ti.key, None)
        self.running.discard(ti.key)
        launch, thread = self._ledger.remove(ti.key), self._fleet_thread
        if launch is not None and thread is not None:
            reason = "Airflow has revoked the task instance: it was queued for too long"
            thread.tell(thread.fleet.revoke, launch.id, reason)

    def has_task(self, task_instance: TaskInstance) -> bool:
        """
        Tell whether the task instance is queued or running here, or SCHEDULED after its ECS task ended.

        The scheduler asks when it reads the end of a launch, and fails a task instance that did not end with
        it. One that is SCHEDULED by then has deferred or rescheduled itself: only its ECS task has ended.
        """
        scheduled = task_instance.state == TaskInstanceState.SCHEDULED
        return super().has_task(task_instance) or (scheduled and task_instance.key in self._ledger.just_ended)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """
        Adopt the ECS tasks of task instances whose scheduler is gone.

        :return: the task instances without an ECS task, which the scheduler may launch anew. Those for
            which AWS has no answer within :data:`ADOPTION_PATIENCE` are kept; events report the rest later.
        """
        if not tis:
            return []
        thread, reply = self._require_thread(), futures.Future[AdoptionAnswer]()
        thread.ensure_running()
        tis_by_candidate = database.candidates(tis)
        unknown = [c for c in tis_by_candidate if not self._ledger.has(c, self.queued_tasks)]
        if not unknown:
            return []
        thread.tell(thread.fleet.adopt, unknown, reply)
        try:
            answer = reply.result(timeout=ADOPTION_PATIENCE)
        except futures.TimeoutError:
            # The fleet's thread is busy or has died; if cancel() fails, the answer has just come.
            answer = AdoptionAnswer(kept=tuple(unknown)) if reply.cancel() else reply.result()
        self._reporter.adopt(answer)
        return [tis_by_candidate[candidate] for candidate in answer.missing]

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """
        Return the sources and the lines of a running try's main container in CloudWatch, or why there are none.

        The API server calls this, without a start, and gets an answer within 5 seconds.
        """
        if try_number != ti.try_number:
            return [], []  # 2.11 asks for any try while the last one runs.
        return self._running_log.read(ti.external_executor_id)

    def debug_state(self) -> dict[str, Any]:
        """Return, to be read only: the present launches, what the fleet follows, and its counters."""
        followed, counters = [], None
        if self._fleet_thread is not None:
            fleet = self._fleet_thread.fleet
            followed, counters = list(fleet.runs_by_id.values()), fleet.context.counters
        return {"launches": self._ledger.launches(), "followed": followed, "counters": counters}

    @staticmethod
    def get_cli_commands() -> list[GroupCommand]:
        """Return ``airflow fargate``; 2.11, 3.0 and 3.1 ask the configured executors for their commands."""
        from airflow.executors.fargate.cli.definition import fargate_commands

        return fargate_commands()

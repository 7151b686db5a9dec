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
from airflow.executors.fargate.bridge import AIRFLOW, Base, database, sessions, settings
from airflow.executors.fargate.bridge.ledger import Ledger
from airflow.executors.fargate.bridge.lookups import Lookups
from airflow.executors.fargate.bridge.reporter import Reporter
from airflow.executors.fargate.bridge.tries import logs_of_dag, try_of, was_served
from airflow.executors.fargate.errors import FargateError
from airflow.executors.fargate.fleet.calls import LOG_CONCURRENCY, connections
from airflow.executors.fargate.fleet.context import Context
from airflow.executors.fargate.fleet.orphan_checks import AdoptionAnswer
from airflow.executors.fargate.fleet.thread import FleetThread
from airflow.executors.fargate.launch import Launch, Lease
from airflow.executors.fargate.logs.cloudwatch import LogReader
from airflow.executors.fargate.request.builder import RequestBuilder, default_request
from airflow.executors.fargate.request.startup_checks import read_options, read_without_function
from airflow.utils.state import TaskInstanceState

if TYPE_CHECKING:
    from airflow.cli.cli_config import GroupCommand
    from airflow.models.taskinstance import TaskInstance

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
    return partial(default_request, read_without_function(settings.option_reader()))


class FargateExecutor(Base):
    """
    Runs each task instance in an ECS task of its own on AWS Fargate.

    This class connects the scheduler with the fleet, by the interface that the proposal names (AIP-29). The
    fleet makes all calls to AWS, on threads of its own; only adoption, :meth:`end` and :meth:`terminate` wait
    for AWS, for a limited time. The scheduler's thread calls all methods but those that return a log.

    Each heartbeat hands over what is queued, each launch by :meth:`execute_async`, and then calls :meth:`sync`.
    """

    supports_multi_team = True
    # Keys, events and identities carry the UUIDs of task instances.
    supports_task_instance_uuid = True
    # The scheduler stores an id of the launch in the transaction that queues the task instance.
    pre_assigns_external_executor_id = True
    supported_workload_types = AIRFLOW.supported_workload_types

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fleet_thread: FleetThread | None = None
        self._ledger = Ledger()  # Airflow can hand over the same key twice.
        #: What was handed over since the last sync().
        self._handed_over: list[Launch] = []
        self._session_maker = partial(sessions.session_maker, team_name=self.team_name)

    def start(self) -> None:
        """
        Read the options and make the client. Only a connection that assumes a role calls AWS: STS.

        :raises ConfigError: with every mistake in the options.
        """
        # None in a Dag's test, which has no scheduler.
        own_job = self.job_id if isinstance(self.job_id, int) else None
        context = self._connect(None if own_job is None else settings.lease())
        name, config = context.scheduler, context.config
        #: The name of this scheduler, and the hash of its metadata database's address.
        self._origin: Any = {"scheduler": name, "database": name and database.own_address_hash()}
        self._fleet_thread = thread = FleetThread(context)
        interval = settings.sweep_interval()
        self._lookups = Lookups(self._ledger, database.rows, own_job, interval, context.lease)
        self._reporter = Reporter(self, thread, self._ledger, self._lookups)
        # Garbage collection no longer walks what exists now: that took 0.1 s, in which no thread runs.
        gc.collect()
        gc.freeze()
        self.log.info("FargateExecutor: cluster %s, deployment %s", config.cluster, config.deployment)

    def sync(self) -> None:
        """Report to the scheduler what has happened since the last heartbeat; no call to AWS is made."""
        thread = self._require_thread()
        thread.ensure_running()
        self._tell_launches(thread)
        self._reporter.report()

    def execute_async(
        self, key: Any, command: Any, queue: str | None = None, executor_config: Any = None
    ) -> None:
        """Hand over one launch; the command is a list of one workload, or of strings."""
        thread = self._require_thread()
        launch = AIRFLOW.launch_of(key, command, queue, executor_config, time.time())
        launch = replace(launch, **self._origin)
        if (earlier := self._ledger.replace(key, launch.without_workload())) is not None:
            self._tell_launches(thread)
            self._reporter.supersede(earlier)
        self._handed_over.append(launch)

    def _tell_launches(self, thread: FleetThread) -> None:
        # All at once: while the fleet's thread has work, both threads share the interpreter.
        while self._handed_over:
            thread.tell(thread.fleet.add, self._handed_over.pop(0))

    def end(self) -> None:
        """
        Launch nothing more and leave, within 15 seconds; the next scheduler adopts the ECS tasks.

        Without a scheduler's job, what was handed over is launched first.
        """
        if (thread := self._fleet_thread) is not None:
            self._tell_launches(thread)
            thread.close(END_PATIENCE, deliver=self.job_id is None)
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
        with settings.options_of(self):
            config = read_options(settings.option_reader(), self._session_maker)
            session = self._session_maker(config.conn_id, config.region)
            ecs = clients.connect(session, config.region, config.endpoint_url, connections(config))
        config = replace(config, command_to_request=settings.options_of(self)(config.command_to_request))
        make_logs = partial(clients.make_client, service="logs", max_pool_connections=LOG_CONCURRENCY)
        return Context(
            ecs,
            config,
            RequestBuilder(config),
            time.monotonic,
            time.time,
            Lease(lease, time.monotonic, time.time),
            sweep_interval=settings.sweep_interval(),
            logs=LogReader(ecs.describe_logs, lambda region: make_logs(session(), region=region)),
            mask=AIRFLOW.mask_secrets,
            scheduler=database.scheduler_name(self.job_id),
        )

    def trigger_workloads(self, open_slots: int) -> None:
        """
        Free the slots of keys that Airflow has queued again, then hand over what is queued.

        After a gap between two heartbeats, another scheduler may have taken over what is queued here, so the
        database is asked first.
        """
        self._require_thread()
        queued = AIRFLOW.queued(self)
        unwanted = self._lookups.not_wanted(lambda: [AIRFLOW.queued_launch(*item) for item in queued.items()])
        if unwanted is None:
            return
        for finding in unwanted:
            del queued[finding.launch.key]
            text = f"{finding.reason} before its ECS task was launched: none is launched."
            self._reporter.note(finding.launch, text)
        # Not each Airflow hands over a key that is still running.
        self.running.difference_update(queued)
        super().trigger_workloads(open_slots)

    def _process_workloads(self, workload_items: Sequence[Any]) -> None:
        for workload in workload_items:
            key = self.get_workload_key(workload)
            del self.executor_queues[workload.type][key]
            self.running.add(key)
            self.execute_async(key, [workload])

    def _require_thread(self) -> FleetThread:
        if self._fleet_thread is None:
            raise FargateError("The executor was not started: call start() first.")
        return self._fleet_thread

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Launch nothing for a task instance, and stop its ECS task if there is one."""
        key = self.get_task_key(ti)
        AIRFLOW.queued(self).pop(key, None)
        self.running.discard(key)
        self.event_buffer.pop(key, None)
        launch, thread = self._ledger.remove(key), self._fleet_thread
        if launch is not None and thread is not None:
            self._tell_launches(thread)
            reason = "Airflow has revoked the task instance: it was queued for too long"
            thread.tell(thread.fleet.revoke, launch.id, reason)

    def has_task(self, task_instance: TaskInstance) -> bool:
        """
        Tell whether the task instance is queued or running here, or SCHEDULED after its ECS task ended.

        The scheduler asks when it reads the end of a launch, and fails a task instance that did not end with
        it. One that is SCHEDULED by then has deferred or rescheduled itself: only its ECS task has ended.
        """
        scheduled = task_instance.state == TaskInstanceState.SCHEDULED
        has_just_ended = self.get_task_key(task_instance) in self._ledger.just_ended
        return super().has_task(task_instance) or (scheduled and has_just_ended)

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
        unknown = [c for c in tis_by_candidate if not self._ledger.has(c, AIRFLOW.queued(self))]
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

    def get_streaming_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[Any]]:
        """
        Return the sources and the lines of a running try, and the notes on it; or why there are none.

        The API server calls this, without a start, and gets an answer within 5 seconds. If the remote log of this
        package is configured, it has given Airflow the same lines already.
        """
        if was_served(ti):
            return ["FargateExecutor: its remote log has the lines."], []
        found = logs_of_dag(ti.dag_id).read(try_of(ti, try_number))
        return found.sources, [found.lines]

    def debug_dump(self) -> None:
        """Log the keys that are here, on SIGUSR2; the base class would log commands with their tokens."""
        queues = {f"queued {name}": queue for name, queue in self.executor_queues.items()}
        for name, keys in {**queues, "running": self.running, "event_buffer": self.event_buffer}.items():
            self.log.info("executor.%s (%d)\n\t%s", name, len(keys), "\n\t".join(map(repr, keys)))

    def debug_state(self) -> dict[str, Any]:
        """Return, to be read only: the present launches, what the fleet follows, and its counters."""
        followed, counters = [], None
        if self._fleet_thread is not None:
            fleet = self._fleet_thread.fleet
            followed, counters = list(fleet.runs_by_id.values()), fleet.context.counters
        return {"launches": self._ledger.launches(), "followed": followed, "counters": counters}

    @staticmethod
    def get_cli_commands() -> list[GroupCommand]:
        """Return ``airflow fargate``."""
        from airflow.executors.fargate.cli.definition import fargate_commands

        return fargate_commands()

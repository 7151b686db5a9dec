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
FargateExecutor: each task instance runs in a container of its own on AWS Fargate.

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
from airflow.executors.fargate.aws.arns import launched
from airflow.executors.fargate.bridge import compat
from airflow.executors.fargate.bridge.database_address import warn_of_another_database
from airflow.executors.fargate.bridge.ledger import Ledger, Standing
from airflow.executors.fargate.bridge.lookups import Lookups
from airflow.executors.fargate.bridge.metrics import Metrics
from airflow.executors.fargate.bridge.wanted import Rules, Verdict
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.launch import Launch
from airflow.executors.fargate.messages import (
    Abandoned,
    Accepted,
    Ended,
    LogLines,
    Noted,
    NotFound,
    OtherEcsTasks,
    Unconfirmed,
    Waiting,
)
from airflow.utils.state import TaskInstanceState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from airflow.cli.cli_config import GroupCommand
    from airflow.executors.fargate.bridge.lookups import Findings
    from airflow.executors.fargate.fleet.orphan_checks import Adopted
    from airflow.executors.fargate.fleet.thread import FleetThread
    from airflow.executors.fargate.logs.live import RunningLog
    from airflow.executors.fargate.messages import Event
    from airflow.executors.fargate.present import Candidate
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancekey import TaskInstanceKey

#: Seconds that the scheduler waits for calls under way when it ends; its process gets SIGKILL soon after SIGTERM.
END_PATIENCE = 12.0
#: Seconds that terminate() takes at most to stop all containers: StopTask takes one a call.
TERMINATE_PATIENCE = 300.0
#: Seconds that the scheduler waits for AWS when it takes over from another one. What has not been told by
#: then is told later; until then the task instances are kept. Airflow holds locks on their rows meanwhile.
ADOPTION_PATIENCE = 8.0
#: Why a task instance is neither adopted nor given back.
UNTOLD = "AWS refuses to tell whether it has a container of the scheduler before; Airflow's timeouts decide."
ELSEWHERE = (
    "Its ECS task comes from another metadata database under the same [fargate] deployment. It is neither followed "
    "nor launched anew; Airflow's timeouts decide. The scheduler's log says what to do."
)


def default_task_id_to_fargate_options_function() -> Callable[[list[str]], dict[str, Any]]:
    """
    Return the function that the ``[fargate]`` options make, the default of ``execution_config_function``.

    The function that is returned takes an Airflow command, a list of strings, and returns a ``run_task``
    request, a dict. A function of your own may call this one and change what its function returns.

    :raises ConfigError: where the options have mistakes.
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
    Runs each task instance in a container of its own on AWS Fargate.

    This class is the bridge between the scheduler and the fleet, which has a thread of its own and makes all
    calls to AWS: nothing here but adoption and the end waits for AWS. The scheduler's thread alone calls it.

    **The same key twice.** A defer, a reschedule and a requeue keep the try number, so Airflow can hand over a key while its
    earlier container is still ending. When it queues the key again the earlier launch is superseded: its slot is free, and
    its end is told to nobody. Where the end comes before that, while the task instance is SCHEDULED, Airflow would fail it
    (3.0, 3.1; 3.2 and 3.3 for reschedules): :meth:`has_task` answers for this one moment that it is ours. Both rest on what
    Airflow's scheduler does today (``trigger_tasks`` of 2.11 and 3.0; ``process_executor_events`` of 3.0 to 3.3), and can go
    when no supported release fails a task instance for the end of an earlier launch.
    """

    is_local: bool = False
    is_production: bool = True
    supports_ad_hoc_ti_run: bool = False
    # 3.2 and newer: the scheduler stores an id of the launch in the transaction that queues the task instance.
    pre_assigns_external_executor_id = True
    # 3.2 and newer: each team has an executor of its own, with options of its own.
    supports_multi_team: bool = True
    # An executor that refused them would end 3.2's scheduler; what it cannot execute fails.
    supports_callbacks: bool = compat.HANDS_OVER_CALLBACKS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fleet_thread: FleetThread | None = None
        #: The present launch of each key, and what Airflow's database says of them.
        self._ledger = Ledger()
        self._lookups = Lookups(self._ledger)
        #: Priorities of what is queued, where Airflow hands over commands without them.
        self._priorities: dict[TaskInstanceKey, int] = {}
        #: Events that the scheduler has still to save, or is saving: see :meth:`log_task_event`.
        self._unsaved_events: list[Any] = []
        #: What tells this scheduler from all others.
        self._scheduler: str | None = None
        #: What tells its metadata database from all others.
        self._database: str | None = None
        self._running_log: RunningLog | None = None
        #: Events of launches that the database could not tell of yet.
        self._postponed: list[Event] = []
        self._metrics = Metrics(
            lambda: compat.stats(),
            executor_class_name=type(self).__name__,
            team_name=compat.team_of(self),
        )

    # Beginning and end.

    def start(self) -> None:
        """
        Read the configuration and make the client; no call is made, and no thread is started yet.

        :raises ConfigError: with every mistake in the options.
        """
        from airflow.executors.fargate.aws import clients
        from airflow.executors.fargate.bridge import database
        from airflow.executors.fargate.config.config import FargateConfig
        from airflow.executors.fargate.fleet.calls import LOG_CONCURRENCY, connections
        from airflow.executors.fargate.fleet.thread import FleetThread
        from airflow.executors.fargate.logs.cloudwatch import log_reader
        from airflow.executors.fargate.request import startup_checks
        from airflow.executors.fargate.request.builder import RequestBuilder
        from airflow.executors.fargate.request.validation import RequestCheck

        session_maker = partial(compat.session_maker, team_name=compat.team_of(self))
        with compat.starting(self):
            check = RequestCheck(clients.service_model())
            config = FargateConfig.from_options(
                compat.option_reader(self),
                check.launch_types,
                default_region=compat.default_region,
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
        function = compat.of_its_team(self, config.called_function)
        build = RequestBuilder(config, function, RequestCheck(ecs.service_model))
        logs = log_reader(ecs, make_session, LOG_CONCURRENCY)
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
        # What the scheduler has loaded by now stays for good. A full collection that walks all of it takes a tenth
        # of a second, in which no thread of the process runs. First of all what is garbage goes, or it would stay, too.
        gc.collect()
        gc.freeze()
        self.log.info("FargateExecutor: cluster %s, deployment %s", config.cluster, config.deployment)

    def end(self) -> None:
        """
        Launch nothing more and leave, within 15 seconds.

        Containers run on; the next scheduler adopts them. Where there is no scheduler, as in 2.11's ``airflow tasks run``,
        what was handed over is launched first: nobody else would do that.
        """
        if self._fleet_thread is not None:
            self._fleet_thread.close(END_PATIENCE, deliver=self.job_id is None)
            self._fleet_thread = None

    def terminate(self) -> None:
        """Stop every container, and leave."""
        if self._fleet_thread is not None:
            self._fleet_thread.leave()
            self._fleet_thread.ensure_running()
            fleet = self._fleet_thread.fleet
            self._fleet_thread.tell(fleet.revoke_all, "Airflow's scheduler was terminated")
            self._fleet_thread.close(TERMINATE_PATIENCE)
            self._fleet_thread = None

    @staticmethod
    def get_cli_commands() -> list[GroupCommand]:
        """Return ``airflow fargate``: 2.11, 3.0 and 3.1 ask the executors that are configured."""
        from airflow.executors.fargate.cli.definition import fargate_commands

        return fargate_commands()

    # What the scheduler hands over.

    if compat.QUEUES_WORKLOADS_ITSELF:

        def queue_workload(self, workload: Any, session: Session) -> None:
            """Take a workload, which 3.0 leaves to the executor."""
            self.queued_tasks[workload.ti.key] = workload

    def trigger_tasks(self, open_slots: int) -> None:
        """
        Free the keys that Airflow has queued again before it lets them run.

        It does so after a defer, a reschedule or a requeue, when the earlier launch has done its work, though
        its container may still be ending. 2.11 and 3.0 would drop such a key after some seconds. After a gap between two
        heartbeats, in which another scheduler may have taken over what is queued here, that is looked up first.
        """
        if not self._drop_unwanted():
            return
        self.running.difference_update(self.queued_tasks)
        self._priorities = compat.priorities(self.queued_tasks)
        super().trigger_tasks(open_slots)

    def _drop_unwanted(self) -> bool:
        """Let go of what is queued here and no longer wanted; False where that cannot be told now."""
        unwanted = self._lookups.not_wanted(
            lambda: [compat.queued_launch(key, queued) for key, queued in self.queued_tasks.items()]
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
            key = compat.workload_key(workload)
            is_task = hasattr(workload, "ti")
            # 3.2 and newer have a queue of their own for callbacks.
            queue: dict[Any, Any] = self.queued_tasks if is_task else getattr(self, "queued_callbacks")
            del queue[key]
            self.running.add(key)
            if is_task or compat.RUNS_CALLBACKS:
                launches.append(compat.launch_of_workload(workload, time.time()))
            else:
                self.fail(key, "Airflow executes callbacks in containers from 3.3 on. Name another executor.")
        # 3.2 hands over the lowest priority first.
        for launch in sorted(launches, key=lambda launch: launch.priority, reverse=True):
            self._hand_over(launch)

    def execute_async(
        self,
        key: TaskInstanceKey,
        command: Sequence[str],
        queue: str | None = None,
        executor_config: Any = None,
    ) -> None:
        """Hand a command to the fleet: what 2.11 calls for each task instance."""
        self._hand_over(
            Launch(
                task=compat.task_instance_id(key),
                key=key,
                command=tuple(command),
                executor_config=executor_config,
                queue=queue,
                priority=self._priorities.get(key, 0),
                handed_over=time.time(),
                environment=compat.COMMAND_ENVIRONMENT,
            )
        )

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
        """Take a task instance back: launch nothing for it, and stop the container that there is."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        self.running.discard(key)
        launch = self._ledger.take_back(key)
        if launch is not None:
            self._revoke(launch, "Airflow has revoked the task instance: it was queued for too long")

    def _revoke(self, launch: Launch, reason: str) -> None:
        if self._fleet_thread is not None:
            self._fleet_thread.tell(self._fleet_thread.fleet.revoke, launch.id, reason)

    # What the scheduler is told.

    def sync(self) -> None:
        """Tell the scheduler what has happened since the last heartbeat; AWS is not asked here."""
        from airflow.executors.fargate.bridge import database

        thread = self._require_thread()
        thread.ensure_running()
        self._ledger.beat()
        self._unsaved_events = list(self._task_event_logs)
        lost = []
        events = [*self._postponed, *thread.events()]
        findings = self._lookups.beat(events, self.queued_tasks)
        self._postponed = []
        for event in events:
            if findings.postpones(event):
                self._postponed.append(event)
            elif isinstance(event, OtherEcsTasks):
                thread.tell(thread.fleet.stop_orphans, database.given_up(event.containers, self._scheduler))
            elif isinstance(event, Waiting) and event.revoked:
                self.log_task_event(event="fargate launch", extra=event.text, ti_key=event.launch.key)
            elif isinstance(event, LogLines):
                # The launch has ended by now; the event is of the try that it was for.
                self.log_task_event(event="fargate log", extra=event.text, ti_key=event.launch.key)
            elif isinstance(event, NotFound):
                candidate = self._ledger.not_found(event.launch.key)
                if candidate is not None:
                    self.running.discard(candidate.key)
                    lost.append(candidate)
            elif not isinstance(event, Unconfirmed):
                self._tell(event, findings)
        self._act(thread, findings)
        if lost:
            database.hand_back(lost, self.job_id)
        self._metrics.report(thread.fleet.counters, thread.restarts)

    def _tell(self, event: Accepted | Noted | Waiting | Ended | Abandoned, findings: Findings) -> None:
        key: Any = event.launch.key
        standing = self._ledger.standing(event)
        if standing is Standing.GIVEN_UP:
            self._revoke(event.launch, "Airflow has given up the launch")
        if standing is not Standing.PRESENT:
            return  # An earlier launch of the task instance: its end is not that of the present one.
        if isinstance(event, Accepted):
            if findings.verdict(event.launch) is Verdict.WANTED:
                self._accepted(key, event)
        elif isinstance(event, (Noted, Waiting)):
            self.log_task_event(event="fargate launch", extra=event.text, ti_key=key)
        elif isinstance(event, Abandoned):
            self._ledger.end(key)
            self.running.discard(key)
            self.log_task_event(event="fargate launch", extra=event.text, ti_key=key)
        elif isinstance(event, Ended):
            self._ended(key, event, findings)

    def _accepted(self, key: TaskInstanceKey, event: Accepted) -> None:
        # Which the scheduler stores as external_executor_id; None clears the ARN of an earlier launch.
        self.running_state(key, compat.external_id(event.arn))
        self._metrics.time("launch_duration", event.waited)
        if event.attempt:
            text = launched(event.arn, event.cluster, event.attempt)
            self.log_task_event(event="fargate launch", extra=text, ti_key=key)

    def _act(self, thread: FleetThread, findings: Findings) -> None:
        """Let go on what Airflow still wants, abandon what it does not, and tell again what it has not taken."""
        if findings.confirmed:
            thread.tell(thread.fleet.confirm, findings.confirmed)
        for finding in findings.unwanted:
            launch = finding.launch
            is_present = self._ledger.is_present(launch)
            if is_present:
                self.running.discard(launch.key)
            if finding.verdict is not Verdict.TAKEN_OVER:
                thread.tell(thread.fleet.abandon, launch.id, finding.reason, finding.overdue)
                continue
            if is_present:
                self._ledger.end(launch.key)
            thread.tell(thread.fleet.disown, launch.id)
        for end in findings.untaken:
            self.log.warning("Airflow has not taken the failure of %s; it is told again", end.launch)
            self._fail(end)

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        """
        Add an event to the log of a task instance, which the UI shows.

        The scheduler takes the events out of the queue one by one to save them all together. SQLAlchemy refers to
        them weakly by then, so what nobody else holds would be gone, and with it everything that was to be saved.
        """
        from airflow.executors.fargate.bridge import database

        super().log_task_event(event=event, extra=database.storable(extra), ti_key=ti_key)
        # Airflow keeps no events of callbacks.
        if self._task_event_logs:
            self._unsaved_events.append(self._task_event_logs[-1])

    def _ended(self, key: TaskInstanceKey, event: Ended, findings: Findings) -> None:
        self._ledger.end(key)
        if key in self.queued_tasks:
            # Airflow has queued the task instance again: this end is that of an earlier launch.
            self.running.discard(key)
            return
        self._ledger.tell_end(key)
        self._metrics.time("end_to_event_duration", event.seen_after)
        if event.reason is None:
            self.success(key)
            return
        end = findings.explain(event)
        self.log_task_event(event="fargate failure", extra=end.reason or "", ti_key=key)
        self._fail(end)
        self._lookups.keep_end(end)

    def _fail(self, end: Ended) -> None:
        from airflow.executors.fargate.bridge import database

        key: Any = end.launch.key
        self.fail(key, database.storable(end.reason or ""))

    def has_task(self, task_instance: TaskInstance) -> bool:
        """
        Tell whether the task instance is queued or running here.

        The scheduler asks when it reads the end of a launch, and fails a task instance that has not ended
        with it. One that is SCHEDULED by then has deferred or rescheduled itself in that launch and waits to be
        queued again: so it has not come to an end, though its container has.
        """
        if super().has_task(task_instance):
            return True
        scheduled = task_instance.state == TaskInstanceState.SCHEDULED
        return scheduled and self._ledger.has_just_ended(task_instance.key)

    # What an earlier scheduler has left.

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """
        Take over the containers of task instances whose scheduler is gone.

        :return: those that have no container: nothing runs for them, so the scheduler may launch them anew.
            Where AWS could not be asked in time, all are kept.
        """
        from airflow.executors.fargate.bridge import database

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
            self.log_task_event(event="fargate adoption", extra=UNTOLD, ti_key=candidate.key)
        for candidate in answer.elsewhere:
            warn_of_another_database()
            self.log_task_event(event="fargate adoption", extra=ELSEWHERE, ti_key=candidate.key)
        self._keep(answer.kept)
        self.log.info(
            "Adopted %d task instances, %d have no container", len(answer.found), len(answer.missing)
        )
        return [tis_by_candidate[candidate] for candidate in answer.missing]

    def _look_for(self, thread: FleetThread, candidates: Sequence[Candidate]) -> Adopted:
        """Return what AWS has told within the time that there is; of the rest events will tell."""
        from airflow.executors.fargate.fleet.orphan_checks import Adopted

        reply: concurrent.futures.Future[Adopted] = concurrent.futures.Future()
        thread.tell(thread.fleet.look_for, candidates, reply)
        try:
            return reply.result(timeout=ADOPTION_PATIENCE)
        except concurrent.futures.TimeoutError:
            # The fleet's thread is held up, or has died. Else the answer came at the last moment.
            return Adopted(kept=tuple(candidates)) if reply.cancel() else reply.result()

    def _keep(self, candidates: Sequence[Candidate]) -> None:
        if candidates:
            self.log.warning(
                "It is not known yet which of %d task instances have an ECS task", len(candidates)
            )
        for candidate in candidates:
            self._supersede(self._ledger.keep(candidate))
            self.running.add(candidate.key)

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """
        Return what the container of a try that runs has written to CloudWatch: the sources, and the lines.

        The API server asks, where this executor was never started. It gets an answer within 5 seconds: where there are
        no lines, the reason in words.
        """
        from airflow.executors.fargate.logs.live import running_log

        if try_number != ti.try_number:
            return [], []  # 2.11 asks for any try while the last one runs.
        if self._running_log is None:
            self._running_log = running_log(
                compat.option_reader(self),
                partial(compat.session_maker, team_name=compat.team_of(self)),
                compat.mask_secrets,
                compat.READS_LINES_AS_JSON,
            )
        return self._running_log.read(ti.external_executor_id)

    def debug_dump(self) -> None:
        """Write what is here to the log, on SIGUSR2; the base class would write commands with their tokens."""
        for name in ("queued_tasks", "queued_callbacks", "running", "event_buffer"):
            keys = list(getattr(self, name, ()))
            self.log.info("executor.%s (%d)\n\t%s", name, len(keys), "\n\t".join(map(repr, keys)))

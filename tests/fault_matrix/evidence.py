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
"""What was seen of a row: events by task instance, containers by launch, heartbeats."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND
from airflow.executors.fargate.bridge import AIRFLOW

from tests.fault_matrix.row import OPERATOR
from tests.fault_matrix.watching import machine

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey

    from tests.fault_matrix.bed import Bed
    from tests.fault_matrix.scheduler import Scheduler, Told

VARIABLE = "AIRFLOW_FARGATE_LAUNCH"
#: What a container that never started was stopped with, where the executor did not do it: by AWS, or by somebody.
FAILED_TO_START = ("TaskFailedToStart", "SpotInterruption", "ServiceSchedulerInitiated")
BY_SOMEBODY = (OPERATOR, STOPPED_BY_COMMAND)


def identity(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a container of the ledger says of its launch."""
    for container in entry["containers"]:
        if VARIABLE in container["environment"]:
            return json.loads(container["environment"][VARIABLE])
    raise LookupError(f"{entry['taskArn']} tells of no launch")


@dataclass(frozen=True)
class Containers:
    """The containers of one launch."""

    #: Never started, by themselves.
    failed: list[Mapping[str, Any]]
    #: All others.
    others: list[Mapping[str, Any]]

    @classmethod
    def of(cls, entries: Sequence[Mapping[str, Any]]) -> Containers:
        failed = [entry for entry in entries if _failed_to_start(entry)]
        return cls(failed, [entry for entry in entries if entry not in failed])

    @property
    def ran(self) -> list[Mapping[str, Any]]:
        """Those that have run user code."""
        return [entry for entry in self.others if "startedAt" in entry]


def _failed_to_start(entry: Mapping[str, Any]) -> bool:
    by_others = entry.get("stopCode") in FAILED_TO_START or entry.get("stoppedReason") in BY_SOMEBODY
    # A reason can come without a code.
    by_others = by_others or ("stoppedReason" in entry and "stopCode" not in entry)
    return "startedAt" not in entry and by_others


def stopped_by_somebody(entry: Mapping[str, Any]) -> bool:
    """Tell whether an operator has stopped it, or ``airflow fargate stop``."""
    return str(entry.get("stoppedReason", "")).startswith(BY_SOMEBODY)


def exit_code(entry: Mapping[str, Any], name: str = "airflow") -> int | None:
    """Return the exit code of a container as it really was, whatever AWS told of it."""
    return next(container["actualExitCode"] for container in entry["containers"] if container["name"] == name)


@dataclass
class Evidence:
    """Everything that is judged, and everything that the table shows."""

    #: For each task instance the containers of each of its launches, in the order of the hand-overs.
    launches: dict[TaskInstanceKey, list[Containers]]
    #: How often each task instance was handed over, and which ones were taken back for good.
    hand_overs: dict[TaskInstanceKey, int]
    odd: set[TaskInstanceKey]
    revoked: set[TaskInstanceKey]
    told: Mapping[TaskInstanceKey, Sequence[Told]]
    notes: Mapping[str, Sequence[str]]
    longest_heartbeat: float
    errors: Sequence[BaseException]
    restarts: int
    calls: Mapping[str, Mapping[str, int]]
    #: How often what went wrong has struck, by kind and operation.
    strikes: Mapping[tuple[str, str], int]
    #: Seconds from the last step to the last launch, and to the first one; None where there was no step or no launch.
    resumed: float | None
    first: float | None = None
    #: For how many seconds since the last step the machine stood still.
    late: float = 0.0
    #: See the scheduler.
    waited: Sequence[str] = ()
    left_alone: Sequence[tuple[TaskInstanceKey, bool]] = ()
    adopted: int | None = None
    leaks: Sequence[str] = ()
    #: Seconds from the hand-over of each launch that came later to its first ECS task; infinite where there is none.
    overtaking: Mapping[TaskInstanceKey, float] = field(default_factory=dict)
    #: How often STS gave no credentials; None where it was not to give any.
    sts_refusals: int | None = None
    #: What another process has written.
    written: str = ""
    #: What was still alive or followed when the row was over.
    left: list[str] = field(default_factory=list)
    overdue: bool = False

    @classmethod
    def of(cls, bed: Bed, scheduler: Scheduler, overdue: bool) -> Evidence:
        """Collect what a row has left behind."""
        entries = bed.containers()
        state = scheduler.executor.debug_state()
        created = [entry["createdAt"] for entry in entries]
        followed = [f"{run} is followed" for run in state["followed"]]
        queued = [f"{key} is queued or running" for key in _busy(scheduler)]
        return cls(
            launches=_launches(scheduler, entries),
            hand_overs={key: len(tasks) for key, tasks in scheduler.tasks.items()},
            odd={
                key
                for key, tasks in scheduler.tasks.items()
                if tasks[-1].executor_config is bed.row.odd_config
            },
            revoked=scheduler.revoked,
            told=scheduler.told,
            notes=scheduler.notes,
            longest_heartbeat=scheduler.longest,
            errors=scheduler.errors,
            restarts=state["counters"].fleet_restarts,
            calls=bed.fargate.calls(),
            strikes=bed.fargate.strikes(),
            resumed=None if bed.quiet_since is None else max(created, default=0.0) - bed.quiet_since,
            first=None if bed.quiet_since is None or not created else min(created) - bed.quiet_since,
            late=machine.total - bed.late_before,
            waited=scheduler.waited,
            left_alone=scheduler.left_alone,
            adopted=scheduler.adopted,
            leaks=scheduler.leaks,
            overtaking=_overtaking(bed, scheduler, entries),
            sts_refusals=bed.credentials and bed.credentials.refusals,
            written=bed.written,
            left=[f"{arn} is alive" for arn in bed.alive()] + followed + queued,
            overdue=overdue,
        )

    def states(self) -> Counter[str]:
        """Count the ends that were told last, by their state; a task instance without one is lost or revoked."""
        return Counter(told[-1].state if told else "nothing" for told in map(self.ends, self.hand_overs))

    def ends(self, key: TaskInstanceKey) -> list[Told]:
        return [told for told in self.told.get(key, ()) if told.state in ("success", "failed")]

    def count_containers(self) -> tuple[int, int]:
        """Return how many containers there were, and how many of them ran."""
        all_launches = [launch for launches in self.launches.values() for launch in launches]
        return (
            sum(len(launch.failed) + len(launch.others) for launch in all_launches),
            sum(len(launch.ran) for launch in all_launches),
        )


def _overtaking(
    bed: Bed, scheduler: Scheduler, entries: Sequence[Mapping[str, Any]]
) -> dict[TaskInstanceKey, float]:
    """Return how long each launch that came later has waited."""
    later = bed.row.later_config
    took = {
        key: float("inf")
        for key, tasks in scheduler.tasks.items()
        if later is not None and tasks[-1].executor_config is later
    }
    by_task = {key.task_id: key for key in took}
    for entry in entries:
        told = identity(entry)
        if key := by_task.get(told["task_id"]):
            took[key] = min(took[key], entry["createdAt"] - told["handed_over"])
    return took


def _busy(scheduler: Scheduler) -> list[TaskInstanceKey]:
    return [*scheduler.executor.running, *AIRFLOW.queued(scheduler.executor)]


def _launches(scheduler: Scheduler, entries: Sequence[Mapping[str, Any]]) -> dict[Any, list[Containers]]:
    """
    Sort containers by launch.

    What was handed over once has one launch, whatever its containers say: a second scheduler that launches it again
    makes another identity, and is just what must not be.
    """
    by_task: dict[str, dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for entry in sorted(entries, key=lambda entry: identity(entry)["handed_over"]):
        told = identity(entry)
        by_task[told["task_id"]][told["launch"]].append(entry)
    sorted_launches = {}
    for key, tasks in scheduler.tasks.items():
        launches = list(by_task[key.task_id].values()) or [[]]
        if len(tasks) == 1:
            launches = [[entry for launch in launches for entry in launch]]
        sorted_launches[key] = [Containers.of(launch) for launch in launches]
    return sorted_launches

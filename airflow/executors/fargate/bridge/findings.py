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
"""What a lookup in Airflow's database has found of the scheduler's own launches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow.executors.fargate.bridge.wanted import Verdict, verdict, why
from airflow.executors.fargate.launch import CallbackId
from airflow.executors.fargate.messages import Accepted, Ended, Unconfirmed

if TYPE_CHECKING:
    from airflow.executors.fargate.bridge.wanted import Row, Rules
    from airflow.executors.fargate.launch import Launch, TaskInstanceId
    from airflow.executors.fargate.messages import Event

#: Events that are acted on only while their launch is still wanted.
CONDITIONAL = (Accepted, Unconfirmed)
#: States of a task instance that failed itself: then its ECS task failed for the same reason.
OWN_FAILURES = frozenset({"failed", "up_for_retry"})


@dataclass(frozen=True)
class Finding:
    """What the database says of a launch."""

    launch: Launch
    verdict: Verdict
    #: Why it is not wanted, without a full stop; empty where it is wanted, or that is not known.
    reason: str = ""
    #: The state of its task instance.
    state: str | None = None
    #: Whether it has not been wanted for so long that its ECS task is stopped although it has started.
    overdue: bool = False

    @classmethod
    def of(cls, launch: Launch, rows: Mapping[TaskInstanceId, Row] | None, rules: Rules) -> Finding:
        """
        Return what the rows of task instances say of a launch.

        :param rows: None where the database could not be asked.
        """
        if isinstance(launch.task, CallbackId):
            return cls(launch, Verdict.WANTED)
        if rows is None:
            return cls(launch, Verdict.UNKNOWN)
        row = rows.get(launch.task)
        found = verdict(launch, row, rules)
        return cls(launch, found, why(launch, row, found), row.state if row else None)


@dataclass(frozen=True)
class Findings:
    """
    What the lookup of a heartbeat has found.

    :param by_launch: what was looked up, by the launches' ids.
    :param confirmed: ids of launches that wait to be sent and are still wanted.
    :param untaken: failures that Airflow has not taken, to be reported again.
    :param default: the verdict on what was not looked up.
    """

    by_launch: Mapping[str, Finding]
    confirmed: Sequence[str] = ()
    untaken: Sequence[Ended] = ()
    default: Verdict = Verdict.UNKNOWN

    @property
    def unwanted(self) -> list[Finding]:
        """The launches that are no longer wanted."""
        others = (Verdict.WANTED, Verdict.UNKNOWN)
        return [finding for finding in self.by_launch.values() if finding.verdict not in others]

    def verdict(self, launch: Launch) -> Verdict:
        """Return the verdict on a launch."""
        found = self.by_launch.get(launch.id)
        return self.default if found is None else found.verdict

    def postpones(self, event: Event) -> bool:
        """Tell whether an event has to wait for a later heartbeat: its launch could not be looked up."""
        return isinstance(event, CONDITIONAL) and self.verdict(event.launch) is Verdict.UNKNOWN

    def explain(self, end: Ended) -> Ended:
        """Return a failure with what became of its task instance, where Airflow refused it for that."""
        found = self.by_launch.get(end.launch.id)
        if found is None or not found.reason or found.state in OWN_FAILURES:
            return end
        return replace(end, reason=f"{found.reason}. {end.reason}")


def launch_to_look_up(event: Event) -> Launch | None:
    """Return the launch that must be looked up before its event is acted on; None where none must."""
    if isinstance(event, CONDITIONAL) or (isinstance(event, Ended) and event.reason is not None):
        return event.launch
    return None

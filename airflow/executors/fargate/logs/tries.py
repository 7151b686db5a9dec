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
"""A try of a task instance, as far as its log needs it: the executor's notes, and the ECS tasks that they tell of. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from airflow.executors.fargate import notes
from airflow.executors.fargate.aws.arns import ecs_task_id, region
from airflow.executors.fargate.notes import NotedEcsTask, moment_in, noted_ecs_task

#: Milliseconds after a try's end, or after the next launch, in which its last lines may still come.
LATE = 60_000


class Note(NamedTuple):
    """A note of the executor's in Airflow's table ``log``."""

    #: When the scheduler wrote it, milliseconds since the epoch.
    at: int
    #: One of ``notes.EVENTS``.
    event: str
    text: str


class TriedEcsTask(NamedTuple):
    """An ECS task of a try."""

    noted: NotedEcsTask
    #: When the executor noted it, milliseconds since the epoch; 0 where no note tells of it.
    at: int = 0
    #: When the next one of the try was noted; None for the last one.
    followed_at: int | None = None


@dataclass(frozen=True)
class Try:
    """A try whose log is asked for."""

    #: Identifies it.
    key: Hashable
    #: The oldest first.
    notes: Sequence[Note]
    #: ``external_executor_id``.
    external_id: str | None
    #: Whether Airflow's page asks for the lines that follow those that it has: RUNNING, DEFERRED.
    is_polled: bool = False
    #: Whether it will not go on.
    has_ended: bool = False
    #: When it ended, milliseconds since the epoch; None where that is not known.
    ended_at: int | None = None
    has_failed: bool = False

    @property
    def ecs_tasks(self) -> list[TriedEcsTask]:
        """Its ECS tasks in the order of their launches; where no note tells of the last one, Airflow's column does."""
        known: dict[str, tuple[NotedEcsTask, int]] = {}
        for note in self.notes:
            if found := noted_ecs_task(note.text):
                earlier, at = known.get(found.arn, (found, note.at))
                definition, container = (
                    earlier.definition or found.definition,
                    earlier.container or found.container,
                )
                known[found.arn] = NotedEcsTask(found.arn, definition, container), at
        if region(arn := self.external_id or ""):
            # Notes had no ARNs once.
            at = next((note.at for note in self.notes if ecs_task_id(arn) in note.text), 0)
            known.setdefault(arn, (NotedEcsTask(arn), at))
        following = [at for _, at in known.values()][1:]
        return [
            TriedEcsTask(noted, at, after) for (noted, at), after in zip(known.values(), [*following, None])
        ]

    @property
    def times(self) -> list[int]:
        """When what each note tells of happened, milliseconds since the epoch: not before the launch that it is about."""
        launched, times = 0, []
        for note in self.notes:
            moment = moment_in(note.text)
            launched = note.at if noted_ecs_task(note.text) else launched
            times.append(note.at if moment is None else max(launched, int(moment * 1000)))
        return times

    @property
    def lacks_notes(self) -> bool:
        """Whether an ECS task is known to Airflow of which no note tells, so that there may be others."""
        return any(not one.at for one in self.ecs_tasks)

    @property
    def is_unexplained(self) -> bool:
        """Whether it failed, and no note says what became of its last ECS task."""
        last = max((n for n, note in enumerate(self.notes) if noted_ecs_task(note.text)), default=0)
        is_told = any(
            note.event == notes.FAILURE or note.text.startswith(notes.ENDS) for note in self.notes[last:]
        )
        return self.has_failed and not is_told

    def is_settled(self, now: float) -> bool:
        """Tell whether nothing is added any more, by the time in milliseconds since the epoch."""
        return self.has_ended and (self.ended_at is None or now - self.ended_at > LATE)

    def is_past(self, ecs_task: TriedEcsTask, now: float) -> bool:
        """Tell whether an ECS task of this try writes nothing any more."""
        after = ecs_task.followed_at
        return self.is_settled(now) or (after is not None and now - after > LATE)

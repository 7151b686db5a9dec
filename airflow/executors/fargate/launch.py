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
"""A launch, how long its confirmation is valid, and the identity by which its ECS task can be recognised."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

#: The environment variable of the main container that holds the identity of its launch. DescribeTasks returns
#: the overrides of an ECS task, so any scheduler can read the identity back.
IDENTITY_VARIABLE = "AIRFLOW_FARGATE_LAUNCH"
#: Most characters of a text in an identity: Airflow's own ids have 250 at most.
#: https://airflow.apache.org/docs/apache-airflow/stable/database-erd-ref.html
MAX_TEXT = 1000
#: The highest ``try_number`` and ``map_index``: the columns of Airflow's database have 32 bits.
MAX_NUMBER = 2**31 - 1


class _Id:
    @property
    def coordinates(self) -> Any:
        """The same without the UUID that a task instance can have."""
        return self

    def as_dict(self) -> dict[str, str | int]:
        """Return the members by their names, without those that are None."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class TaskInstanceId(_Id):
    """
    The task instance and the try that a launch is for, in Airflow's terms.

    Two with different UUIDs differ, even if their other members, the coordinates, are equal, as in a loop.
    """

    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int = -1
    #: Of the task instance's row; 3.4 and newer.
    uuid: str | None = None

    @property
    def coordinates(self) -> TaskInstanceId:
        """The same without the UUID."""
        return self if self.uuid is None else replace(self, uuid=None)

    def __str__(self) -> str:
        mapped = "" if self.map_index < 0 else f"[{self.map_index}]"
        return f"{self.dag_id}.{self.task_id}{mapped} {self.run_id} try {self.try_number}"


@dataclass(frozen=True)
class CallbackId(_Id):
    """A callback that runs in an ECS task of its own, like a task instance: 3.3 and newer."""

    callback_id: str
    dag_id: str | None

    def __str__(self) -> str:
        return f"callback {self.callback_id} of {self.dag_id}"


@dataclass(frozen=True)
class Launch:
    """
    One hand-over of a task instance, or of a callback, by the scheduler.

    A first run, a retry, a resume after a defer, a reschedule and a requeue are each a launch. Some of them
    keep the try number, so a launch has an ``id`` of its own.
    """

    task: TaskInstanceId | CallbackId
    #: Airflow's key of the task instance or callback; only ``bridge`` and the executor look into it.
    key: Any
    #: What the main container runs. It can hold a bearer token: it is never logged.
    #: Or a function that returns it, if serialising takes time; a pool's thread calls it.
    command: tuple[str, ...] | Callable[[], tuple[str, ...]] = field(default=(), repr=False)
    executor_config: Any = field(default=None, repr=False)
    queue: str | None = None
    #: Airflow's ``priority_weight``: a higher one is launched first.
    priority: int = 0
    #: Seconds since the epoch, by the clock that also writes ``queued_dttm``.
    handed_over: float = 0.0
    #: Seconds since the epoch when the token in the command expires; None without a token.
    expires: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    #: The name of the scheduler that has handed it over (``database.scheduler_name()``), unique among all
    #: Airflows; None where it is not known.
    scheduler: str | None = None
    #: The ``database.address_hash()`` of that scheduler's metadata database; None where it is not
    #: known.
    database: str | None = None
    #: Names and values of environment variables that the main container gets beside its identity.
    environment: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return str(self.task)

    def make_command(self) -> list[str]:
        """Return the command as the list of strings that the main container gets."""
        return list(self.command() if callable(self.command) else self.command)

    @property
    def identity(self) -> str:
        """The text of the environment variable :data:`IDENTITY_VARIABLE`."""
        members = {"launch": self.id, **self.task.as_dict(), "handed_over": self.handed_over}
        origin = {"scheduler": self.scheduler, "database": self.database}
        known = {name: value for name, value in {**members, **origin}.items() if value is not None}
        return json.dumps(known, separators=(",", ":"), ensure_ascii=False)

    def without_workload(self) -> Launch:
        """Return this launch without what only a further attempt would need, to save memory."""
        return replace(self, command=(), executor_config=None)


class Lease:
    """
    Tells whether the confirmation of a launch is recent enough to send the launch. Any thread may use it.

    Another scheduler may take over the task instances of a scheduler that was stopped, or whose host was
    suspended, so an old confirmation does not count. Meanwhile one clock may have stood still, and the other
    may have been set back: the larger of the two differences counts.

    :param seconds: how long a confirmation is valid; None for ever, where no other scheduler could take over.
    :param clock: seconds, never going backwards; may stand still while the host is suspended.
    :param now: seconds since the epoch; may jump.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._now = now

    def begin(self) -> tuple[float, float]:
        """Return the present moment by both clocks."""
        return self._clock(), self._now()

    def is_valid(self, confirmed: tuple[float, float]) -> bool:
        """Tell whether a launch that was confirmed at this moment may still be sent."""
        if self._seconds is None:
            return True
        by_clock, by_now = confirmed
        return max(self._clock() - by_clock, self._now() - by_now) <= self._seconds


@dataclass(frozen=True)
class Identity:
    """What an ECS task says of the launch that it is for."""

    launch_id: str
    task: TaskInstanceId | CallbackId
    handed_over: float
    container_name: str
    #: :attr:`Launch.scheduler`; None where the ECS task does not say.
    scheduler: str | None = None
    #: :attr:`Launch.database`; None where the ECS task does not say, as older versions did not.
    database: str | None = None

    def can_be_of(self, task: TaskInstanceId) -> bool:
        """Tell whether it is of this task instance; if one of the two has no UUID, coordinates decide."""
        own = getattr(self.task, "uuid", None)
        return self.task.coordinates == task.coordinates if None in (own, task.uuid) else own == task.uuid

    def is_of_another_database(self, own: str | None) -> bool:
        """
        Tell whether the launch is of another metadata database; False where one of the two is not known.

        :param own: the ``address_hash()`` of the database of the Airflow that asks.
        """
        return None not in (own, self.database) and self.database != own

    @classmethod
    def parse(cls, text: Any, container_name: Any) -> Identity | None:
        """Parse an identity's text; None if it is not one, or has values that a database would refuse."""
        try:
            members = json.loads(text)
            handed_over = float(members["handed_over"])
            if not math.isfinite(handed_over):
                return None
            origin = (members.get("scheduler"), members.get("database"))
            known = (_text(name) if isinstance(name, str) else None for name in origin)
            return cls(_text(members["launch"]), _task(members), handed_over, str(container_name), *known)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return None  # A variable of the same name that this executor has not set.


def _task(members: Mapping[str, Any]) -> TaskInstanceId | CallbackId:
    """Return what a launch is for; raise what a missing or wrong member makes Python raise."""
    if "callback_id" in members:
        dag_id = members.get("dag_id")
        return CallbackId(_text(members["callback_id"]), None if dag_id is None else _text(dag_id))
    dag_id, task_id, run_id = (_text(members[name]) for name in ("dag_id", "task_id", "run_id"))
    numbers, value = (_number(members["try_number"]), _number(members["map_index"])), members.get("uuid")
    return TaskInstanceId(dag_id, task_id, run_id, *numbers, None if value is None else str(uuid.UUID(value)))


def _text(value: Any) -> str:
    """Return a value as text; ValueError where a database would not take it."""
    text = str(value)
    text.encode("utf-8")  # Raises for half of a surrogate pair.
    if len(text) > MAX_TEXT or "\0" in text:
        raise ValueError
    return text


def _number(value: Any) -> int:
    """Return a value as whole number; ValueError where a database would not take it."""
    number = int(value)
    if not -MAX_NUMBER <= number <= MAX_NUMBER:
        raise ValueError
    return number

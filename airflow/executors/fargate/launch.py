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
"""What a launch is, and the identity of it that its ECS task carries."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

#: The environment variable of the container that holds the identity of its launch. DescribeTasks returns
#: the overrides of a task, so the identity can be read back by a scheduler that knows nothing else.
IDENTITY_VARIABLE = "AIRFLOW_FARGATE_LAUNCH"
#: Characters of a text in an identity: Airflow's own ids have 250 at most.
#: https://airflow.apache.org/docs/apache-airflow/stable/database-erd-ref.html
MAX_TEXT = 1000
#: The highest ``try_number`` and ``map_index``: the columns of Airflow's database have 32 bits.
MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True)
class TaskInstanceId:
    """The task instance and the try that a launch is for, in Airflow's own terms."""

    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int = -1

    def __str__(self) -> str:
        mapped = "" if self.map_index < 0 else f"[{self.map_index}]"
        return f"{self.dag_id}.{self.task_id}{mapped} {self.run_id} try {self.try_number}"

    def as_dict(self) -> dict[str, str | int]:
        """Return its members by their names."""
        return asdict(self)


@dataclass(frozen=True)
class CallbackId:
    """A callback that Airflow has executed in a container of its own, like a task: 3.3 and newer."""

    callback_id: str
    dag_id: str | None

    def __str__(self) -> str:
        return f"callback {self.callback_id} of {self.dag_id}"

    def as_dict(self) -> dict[str, str | int]:
        """Return its members by their names, but for what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Launch:
    """
    One hand-over of a task instance by the scheduler: a first run, a retry, a resume, a reschedule, a requeue.

    Defers and reschedules keep the try number, so a launch has an ``id`` of its own. A callback that is handed over
    is launched in the same way.
    """

    task: TaskInstanceId | CallbackId
    #: Airflow's key of the task instance or callback; only the executor looks into it.
    key: Any
    #: What the container shall run. It can hold a bearer token: it is never logged.
    #: Where making it takes time, it is a function, and is called on a thread that holds up nobody.
    command: tuple[str, ...] | Callable[[], tuple[str, ...]] = field(default=(), repr=False)
    executor_config: Any = field(default=None, repr=False)
    queue: str | None = None
    #: Airflow's ``priority_weight``: the higher is launched first.
    priority: int = 0
    #: Seconds since the epoch, by the clock that also writes ``queued_dttm``.
    handed_over: float = 0.0
    #: Seconds since the epoch when the token in the command expires; None where it has none.
    expires: float | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    #: Which scheduler has handed it over, unlike any other of any Airflow; None where that cannot be told.
    scheduler: str | None = None
    #: Which metadata database that scheduler has, as ``database.address_hash()`` tells; None where that is not known.
    database: str | None = None
    #: Names and values of environment variables that the container gets beside its identity.
    environment: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return str(self.task)

    def make_command(self) -> list[str]:
        """Return the command as the list of strings that the container gets."""
        return list(self.command() if callable(self.command) else self.command)

    @property
    def identity(self) -> str:
        """The text of the environment variable :data:`IDENTITY_VARIABLE`."""
        origin = {"scheduler": self.scheduler, "database": self.database}
        return json.dumps(
            {
                "launch": self.id,
                **self.task.as_dict(),
                "handed_over": self.handed_over,
                **{name: value for name, value in origin.items() if value is not None},
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )

    def without_workload(self) -> Launch:
        """Return this launch without what only a further attempt would need: a live container costs little memory."""
        return replace(self, command=(), executor_config=None)


@dataclass(frozen=True)
class Identity:
    """What a container says of the launch that it is for."""

    launch_id: str
    task: TaskInstanceId | CallbackId
    handed_over: float
    container_name: str
    #: Which scheduler has handed the launch over; None where the container does not say.
    scheduler: str | None = None
    #: Which metadata database that scheduler has; None where the container does not say, as in an older version.
    database: str | None = None

    def is_of_another_database(self, own: str | None) -> bool:
        """
        Tell whether another Airflow's metadata database has the launch: False where one of the two is not known.

        :param own: :attr:`Launch.database` of the Airflow that asks.
        """
        return None not in (own, self.database) and self.database != own

    @classmethod
    def of(cls, ecs_task: Mapping[str, Any]) -> Identity | None:
        """
        Read the identity from a task of a DescribeTasks response; None where the task carries none.

        The container that carries it is the one that decides, whatever the configuration says by now.
        """
        override = identity_override(ecs_task)
        return None if override is None else cls.parse(*override)

    @classmethod
    def parse(cls, text: Any, container_name: Any) -> Identity | None:
        """Read an identity; None where a database would not take what it says, for it is looked up there."""
        try:
            told = json.loads(text)
            scheduler, database = told.get("scheduler"), told.get("database")
            handed_over = float(told["handed_over"])
            if not math.isfinite(handed_over):
                return None
            return cls(
                _text(told["launch"]),
                _task(told),
                handed_over,
                str(container_name),
                _text(scheduler) if isinstance(scheduler, str) else None,
                _text(database) if isinstance(database, str) else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
            return None  # Somebody else's variable of the same name: not a container of ours.


def identity_override(ecs_task: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Return the text of the identity that an ECS task of an answer carries, and its container's name; None of none."""
    for override in _mappings(_mapping(ecs_task.get("overrides")).get("containerOverrides")):
        for variable in _mappings(override.get("environment")):
            if variable.get("name") == IDENTITY_VARIABLE:
                return variable.get("value"), override.get("name")
    return None


def _task(told: Mapping[str, Any]) -> TaskInstanceId | CallbackId:
    """Return what a container is for; raises whatever a missing or a wrong member makes."""
    if "callback_id" in told:
        dag_id = told.get("dag_id")
        return CallbackId(_text(told["callback_id"]), None if dag_id is None else _text(dag_id))
    return TaskInstanceId(
        _text(told["dag_id"]),
        _text(told["task_id"]),
        _text(told["run_id"]),
        _number(told["try_number"]),
        _number(told["map_index"]),
    )


def _text(value: Any) -> str:
    """Return a text; ValueError where it is none that a database takes."""
    text = str(value)
    text.encode("utf-8")  # Which half of a surrogate pair does not let.
    if len(text) > MAX_TEXT or "\0" in text:
        raise ValueError
    return text


def _number(value: Any) -> int:
    """Return a whole number; ValueError where it is none that a database takes."""
    number = int(value)
    if not -MAX_NUMBER <= number <= MAX_NUMBER:
        raise ValueError
    return number


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    return (
        [value for value in values if isinstance(value, Mapping)] if isinstance(values, (list, tuple)) else []
    )

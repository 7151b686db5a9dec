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
"""What can be adjusted, at start and while the server runs: parsed once, every mistake told at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fargate_simulator import limits

DEFAULT_REGION = "us-east-1"
ANY_OPERATION = "*"

#: What can go wrong with a call: before it is done, or with its answer afterwards.
CALL_FAULTS = {
    "throttle": "ThrottlingException in place of the call",
    "server_error": "ServerException with ``status`` in place of the call",
    "error": "any error in place of the call: ``code``, ``message``, ``status``",
    "reset": "the connection is reset, and the call is not done",
    "response_lost": "the call is done, and the connection reset in place of its answer",
    "garbage": "the call is done, and its answer cannot be read",
    "empty": "the call is done, and its answer is empty",
}
PLACEMENT_FAULTS = {
    "capacity": "RunTask answers HTTP 200 with a failure in place of each task; ``reason``",
}
INTERRUPTIONS = {
    "spot_interruption": "Spot takes the task back; ``after``, ``warning``",
    "maintenance": "ECS stops the task for the sake of its host; ``after``",
    "out_of_memory": "the essential containers are killed; ``after``",
}
#: What can go wrong with a task that RunTask accepted.
TASK_FAULTS = {
    "start_failure": "the task never starts; ``reason`` is image, eni, resources or the text itself",
    "missing": "the task is never seen again, and nothing runs",
    **INTERRUPTIONS,
}
FAULT_KINDS = CALL_FAULTS | PLACEMENT_FAULTS | TASK_FAULTS


class SettingsError(ValueError):
    """Settings that make no sense. ``mistakes`` has a line for each, with the name of the key."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Span:
    """A time in seconds, drawn evenly between two bounds; a plain number has no spread."""

    low: float = 0.0
    high: float = 0.0

    def to_json(self) -> Any:
        return self.low if self.low == self.high else [self.low, self.high]


@dataclass(frozen=True)
class RateLimit:
    """A token bucket that the named operations share: ``burst`` at once, then ``rate`` a second."""

    operations: tuple[str, ...]
    rate: float
    burst: float


@dataclass(frozen=True)
class Fault:
    """
    Something that goes wrong.

    ``kind`` is one of ``FAULT_KINDS``; ``operation`` (call faults only) names a call, or ``*``. It strikes
    with ``probability``, and at most ``times`` times (without it, for ever): "the next 3 calls" is ``times: 3``.
    ``status``, ``code`` and ``message`` belong to ``server_error`` and ``error``; ``reason`` to ``capacity``
    and ``start_failure``; ``after`` (seconds from RUNNING) to interruptions, and ``warning`` (seconds from the
    notice, which comes with SIGTERM, to SIGKILL at the latest) to ``spot_interruption``.
    """

    kind: str
    operation: str = ANY_OPERATION
    probability: float = 1.0
    times: int | None = None
    status: int = 500
    code: str = "ServerException"
    message: str = "Service Unavailable. Please try again later."
    reason: str = ""
    after: Span = Span()
    warning: float = limits.SPOT_WARNING


@dataclass(frozen=True)
class Pretend:
    """
    Tasks without a process: they "run" for ``duration`` and end with one of ``exit_codes``.

    ``exit_codes`` maps a code to its weight; in JSON a single code may stand alone.
    """

    duration: Span = Span(1.0, 1.0)
    exit_codes: tuple[tuple[int, float], ...] = ((0, 1.0),)


#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
AWS_RATE_LIMITS = (
    RateLimit(("RunTask", "StartTask", "StopTask"), rate=40.0, burst=100.0),
    RateLimit(("DescribeTasks", "ListTasks"), rate=20.0, burst=100.0),
)


@dataclass(frozen=True)
class Settings:
    """
    Everything adjustable. Times are seconds.

    - ``provisioning_time``: from RunTask to RUNNING; ``stopping_time``: from the containers' end to STOPPED
    - ``stopped_retention``: how long a stopped task can be described
    - ``missing_for``: for so long after RunTask the task is not seen by DescribeTasks, ListTasks, StopTask
    - ``latency``: operation (or ``*``) to the time that it takes before it is done
    - ``rate_limits``: token buckets; in JSON ``"aws"`` stands for ECS's documented ones
    - ``vcpu_quota``: vCPUs that may run at once; more is a failure in RunTask's answer
    - ``pretend``: tasks without a process
    - ``faults``: what goes wrong
    - ``seed``: makes what is drawn at random the same in each run
    """

    provisioning_time: Span = Span(0.2, 0.2)
    stopping_time: Span = Span(0.1, 0.1)
    stopped_retention: float = limits.STOPPED_TASK_RETENTION
    missing_for: Span = Span()
    latency: Mapping[str, Span] = field(default_factory=dict)
    rate_limits: tuple[RateLimit, ...] = ()
    vcpu_quota: float | None = None
    pretend: Pretend | None = None
    faults: tuple[Fault, ...] = ()
    seed: int | None = None

    @classmethod
    def from_json(cls, given: Any, base: Settings | None = None) -> Settings:
        """
        Read settings; what ``given`` does not name stays as in ``base``, or takes its default.

        :raises SettingsError: with every mistake in it
        """
        mistakes: list[str] = []
        values = _members(given, _SETTINGS, "", mistakes)
        if mistakes:
            raise SettingsError(mistakes)
        return dataclasses.replace(base or cls(), **values)

    def to_json(self) -> dict[str, Any]:
        """Return what ``from_json`` would read as these settings."""
        return {
            "provisioning_time": self.provisioning_time.to_json(),
            "stopping_time": self.stopping_time.to_json(),
            "stopped_retention": self.stopped_retention,
            "missing_for": self.missing_for.to_json(),
            "latency": {operation: span.to_json() for operation, span in self.latency.items()},
            "rate_limits": [dataclasses.asdict(limit) for limit in self.rate_limits],
            "vcpu_quota": self.vcpu_quota,
            "pretend": self.pretend
            and {
                "duration": self.pretend.duration.to_json(),
                "exit_codes": {str(code): weight for code, weight in self.pretend.exit_codes},
            },
            "faults": [
                {**dataclasses.asdict(fault), "after": fault.after.to_json()} for fault in self.faults
            ],
            "seed": self.seed,
        }


Reader = Callable[[Any, str, list[str]], Any]


def _wrong(key: str, wanted: str, value: Any, mistakes: list[str]) -> None:
    mistakes.append(f"{key or 'settings'}: must be {wanted}, not {value!r}")


def _members(value: Any, readers: Mapping[str, Reader], key: str, mistakes: list[str]) -> dict[str, Any]:
    """Read a JSON object whose members each have a reader."""
    if not isinstance(value, Mapping):
        _wrong(key, "an object", value, mistakes)
        return {}
    prefix = f"{key}." if key else ""
    for name in value.keys() - readers.keys():
        mistakes.append(f"{prefix}{name}: is unknown; known are {', '.join(readers)}")
    return {
        name: reader(value[name], f"{prefix}{name}", mistakes)
        for name, reader in readers.items()
        if name in value
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _number(low: float = 0.0, high: float = math.inf) -> Reader:
    wanted = f"a number of at least {low:g}" if high == math.inf else f"a number from {low:g} to {high:g}"

    def read(value: Any, key: str, mistakes: list[str]) -> Any:
        if not _is_number(value) or not low <= value <= high:
            _wrong(key, wanted, value, mistakes)
        return value

    return read


def _whole_number(low: int | None = 0, high: int | None = None) -> Reader:
    def read(value: Any, key: str, mistakes: list[str]) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or (low is not None and value < low) or (high is not None and value > high):
            bounds = (
                "" if low is None else f" of at least {low}" if high is None else f" from {low} to {high}"
            )
            _wrong(key, f"a whole number{bounds}", value, mistakes)
        return value

    return read


def _text(value: Any, key: str, mistakes: list[str]) -> Any:
    if not isinstance(value, str):
        _wrong(key, "a string", value, mistakes)
    return value


def _or_null(reader: Reader) -> Reader:
    return lambda value, key, mistakes: None if value is None else reader(value, key, mistakes)


def _span(value: Any, key: str, mistakes: list[str]) -> Span:
    bounds = value if isinstance(value, list) else [value, value]
    if len(bounds) != 2 or not all(map(_is_number, bounds)) or not 0 <= bounds[0] <= bounds[1]:
        _wrong(key, "seconds, or [from, to]", value, mistakes)
        return Span()
    return Span(*bounds)


def _list_of(read_item: Reader) -> Reader:
    def read(value: Any, key: str, mistakes: list[str]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _wrong(key, "a list", value, mistakes)
            return ()
        return tuple(read_item(item, f"{key}[{index}]", mistakes) for index, item in enumerate(value))

    return read


def _object(of: type, readers: Mapping[str, Reader], required: tuple[str, ...] = ()) -> Reader:
    def read(value: Any, key: str, mistakes: list[str]) -> Any:
        before = len(mistakes)
        values = _members(value, readers, key, mistakes)
        if isinstance(value, Mapping):
            mistakes.extend(f"{key}.{name}: is missing" for name in required if name not in value)
        return None if len(mistakes) > before else of(**values)

    return read


def _fault_kind(value: Any, key: str, mistakes: list[str]) -> Any:
    if value not in FAULT_KINDS:
        _wrong(key, f"one of {', '.join(FAULT_KINDS)}", value, mistakes)
    return value


def _latency(value: Any, key: str, mistakes: list[str]) -> dict[str, Span]:
    if not isinstance(value, Mapping):
        _wrong(key, "an object of operation and seconds", value, mistakes)
        return {}
    return {operation: _span(span, f"{key}.{operation}", mistakes) for operation, span in value.items()}


def _rate_limits(value: Any, key: str, mistakes: list[str]) -> tuple[RateLimit, ...]:
    return AWS_RATE_LIMITS if value == "aws" else _list_of(_RATE_LIMIT)(value, key, mistakes)


def _exit_codes(value: Any, key: str, mistakes: list[str]) -> tuple[tuple[int, float], ...]:
    weights = value if isinstance(value, Mapping) else {value: 1.0} if isinstance(value, (int, str)) else {}
    valid = weights and all(
        str(code).isdigit() and int(code) <= 255 and _is_number(weight) and weight > 0
        for code, weight in weights.items()
    )
    if not valid:
        _wrong(key, "an exit code from 0 to 255, or an object of code and weight", value, mistakes)
        return ()
    return tuple((int(code), float(weight)) for code, weight in weights.items())


_RATE_LIMIT = _object(
    RateLimit,
    {"operations": _list_of(_text), "rate": _number(), "burst": _number(1)},
    required=("operations", "rate", "burst"),
)
_FAULT = _object(
    Fault,
    {
        "kind": _fault_kind,
        "operation": _text,
        "probability": _number(0, 1),
        "times": _or_null(_whole_number(0)),
        "status": _whole_number(400, 599),
        "code": _text,
        "message": _text,
        "reason": _text,
        "after": _span,
        "warning": _number(),
    },
    required=("kind",),
)
_SETTINGS: dict[str, Reader] = {
    "provisioning_time": _span,
    "stopping_time": _span,
    "stopped_retention": _number(),
    "missing_for": _span,
    "latency": _latency,
    "rate_limits": _rate_limits,
    "vcpu_quota": _or_null(_number()),
    "pretend": _or_null(_object(Pretend, {"duration": _span, "exit_codes": _exit_codes})),
    "faults": _list_of(_FAULT),
    "seed": _or_null(_whole_number(None)),
}

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
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.simulator import json_readers, limits
from tools.simulator.faults import edits

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
    "slow": "the call is done, and its answer comes ``after`` seconds later",
    "edit": "the call is done, and members of its answer are changed: ``edits``",
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
    "start_failure": "the task never starts; ``reason`` is image, eni, resources or the text itself; ``stop_code``",
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
    and ``start_failure``; ``stop_code`` to ``start_failure``; ``after`` to ``slow`` and (seconds from RUNNING)
    to interruptions, and ``warning`` (seconds from the notice, which comes with SIGTERM, to SIGKILL at the
    latest) to ``spot_interruption``; ``edits`` to ``edit``: from paths such as ``tasks[].containers[].exitCode``
    to what stands there instead, null to take it out. Not for call faults are those that name a kind of capacity whose
    tasks alone are struck: ``capacity_provider`` (those of launch type FARGATE are FARGATE's), ``launch_type`` (as RunTask
    names it: what goes by a strategy has none), ``subnet`` (the one that the task would go to), ``over_cpu`` (CPU units;
    tasks with more) and ``image`` (as a container of the task definition names it).
    """

    kind: str
    operation: str = ANY_OPERATION
    probability: float = 1.0
    times: int | None = None
    status: int = 500
    code: str = "ServerException"
    message: str = "Service Unavailable. Please try again later."
    reason: str = ""
    stop_code: str = "TaskFailedToStart"
    after: Span = Span()
    warning: float = limits.SPOT_WARNING
    edits: tuple[tuple[str, Any], ...] = ()
    capacity_provider: str = ""
    launch_type: str = ""
    subnet: str = ""
    over_cpu: int = 0
    image: str = ""


@dataclass(frozen=True)
class Pretend:
    """
    Tasks without a process: they "run" for ``duration`` and end with one of ``exit_codes``.

    ``exit_codes`` maps a code to its weight; in JSON a single code may stand alone.
    """

    duration: Span = Span(1.0, 1.0)
    exit_codes: tuple[tuple[int, float], ...] = ((0, 1.0),)


#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html, and of CloudWatch Logs
AWS_RATE_LIMITS = (
    RateLimit(("RunTask", "StartTask", "StopTask"), rate=40.0, burst=100.0),
    RateLimit(("DescribeTasks", "ListTasks"), rate=20.0, burst=100.0),
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    RateLimit(("GetLogEvents",), rate=25.0, burst=25.0),
)


@dataclass(frozen=True)
class Settings:
    """
    Everything adjustable. Times are seconds.

    - ``provisioning_time``: from RunTask to RUNNING; ``stopping_time``: from the containers' end to STOPPED
    - ``stopped_retention``: how long a stopped task can be described
    - ``missing_for``: for so long after RunTask the task is not seen by DescribeTasks, ListTasks, StopTask
    - ``latency``: operation (or ``*``) to the time that it takes before it is done
    - ``rate_limits``: token buckets; in JSON ``"aws"`` stands for AWS's documented ones
    - ``vcpu_quota``: vCPUs that may run at once; more is a failure in RunTask's answer
    - ``pretend``: tasks without a process
    - ``faults``: what goes wrong
    - ``log_lag``: how long after it was written a line of a log can be read
    - ``log_empty_pages``: pages of a log without a line before each one with lines
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
    log_lag: float = 0.0
    log_empty_pages: int = 0
    seed: int | None = None

    @classmethod
    def from_json(cls, given: Any, base: Settings | None = None) -> Settings:
        """
        Read settings; what ``given`` does not name stays as in ``base``, or takes its default.

        :raises SettingsError: with every mistake in it
        """
        mistakes: list[str] = []
        values = json_readers.members(given, _SETTINGS, "", mistakes)
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
                {**dataclasses.asdict(fault), "after": fault.after.to_json(), "edits": dict(fault.edits)}
                for fault in self.faults
            ],
            "log_lag": self.log_lag,
            "log_empty_pages": self.log_empty_pages,
            "seed": self.seed,
        }


def _span(value: Any, key: str, mistakes: list[str]) -> Span:
    bounds = value if isinstance(value, list) else [value, value]
    if len(bounds) != 2 or not all(map(json_readers.is_number, bounds)) or not 0 <= bounds[0] <= bounds[1]:
        json_readers.wrong(key, "seconds, or [from, to]", value, mistakes)
        return Span()
    return Span(*bounds)


def _fault_kind(value: Any, key: str, mistakes: list[str]) -> Any:
    if not isinstance(value, str) or value not in FAULT_KINDS:
        json_readers.wrong(key, f"one of {', '.join(FAULT_KINDS)}", value, mistakes)
    return value


def _latency(value: Any, key: str, mistakes: list[str]) -> dict[str, Span]:
    if not isinstance(value, Mapping):
        json_readers.wrong(key, "an object of operation and seconds", value, mistakes)
        return {}
    return {operation: _span(span, f"{key}.{operation}", mistakes) for operation, span in value.items()}


def _edits(value: Any, key: str, mistakes: list[str]) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, Mapping) or not all(map(edits.is_path, value)):
        wanted = "an object of paths such as tasks[].stopCode and what stands there instead"
        json_readers.wrong(key, wanted, value, mistakes)
        return ()
    return tuple(value.items())


def _rate_limits(value: Any, key: str, mistakes: list[str]) -> tuple[RateLimit, ...]:
    return AWS_RATE_LIMITS if value == "aws" else json_readers.list_of(_RATE_LIMIT)(value, key, mistakes)


def _exit_codes(value: Any, key: str, mistakes: list[str]) -> tuple[tuple[int, float], ...]:
    weights = value if isinstance(value, Mapping) else {value: 1.0} if isinstance(value, (int, str)) else {}
    valid = weights and all(
        str(code).isdecimal() and int(code) <= 255 and json_readers.is_number(weight) and weight > 0
        for code, weight in weights.items()
    )
    if not valid:
        json_readers.wrong(
            key, "an exit code from 0 to 255, or an object of code and weight", value, mistakes
        )
        return ()
    return tuple((int(code), float(weight)) for code, weight in weights.items())


_RATE_LIMIT = json_readers.object_of(
    RateLimit,
    {
        "operations": json_readers.list_of(json_readers.text),
        "rate": json_readers.number(),
        "burst": json_readers.number(1),
    },
    required=("operations", "rate", "burst"),
)
_FAULT = json_readers.object_of(
    Fault,
    {
        "kind": _fault_kind,
        "operation": json_readers.text,
        "probability": json_readers.number(0, 1),
        "times": json_readers.or_null(json_readers.whole_number(0)),
        "status": json_readers.whole_number(400, 599),
        "code": json_readers.text,
        "message": json_readers.text,
        "reason": json_readers.text,
        "stop_code": json_readers.text,
        "after": _span,
        "warning": json_readers.number(),
        "edits": _edits,
        "capacity_provider": json_readers.text,
        "launch_type": json_readers.text,
        "subnet": json_readers.text,
        "over_cpu": json_readers.whole_number(0),
        "image": json_readers.text,
    },
    required=("kind",),
)
_SETTINGS: dict[str, json_readers.Reader] = {
    "provisioning_time": _span,
    "stopping_time": _span,
    "stopped_retention": json_readers.number(),
    "missing_for": _span,
    "latency": _latency,
    "rate_limits": _rate_limits,
    "vcpu_quota": json_readers.or_null(json_readers.number()),
    "pretend": json_readers.or_null(
        json_readers.object_of(Pretend, {"duration": _span, "exit_codes": _exit_codes})
    ),
    "faults": json_readers.list_of(_FAULT),
    "log_lag": json_readers.number(),
    "log_empty_pages": json_readers.whole_number(0),
    "seed": json_readers.or_null(json_readers.whole_number(None)),
}

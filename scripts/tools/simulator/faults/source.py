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
"""Which call and which task goes wrong, and how. Decides only; others act on what it returns."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass

from tools.simulator.faults.throttle import TokenBucket
from tools.simulator.settings import (
    ANY_OPERATION,
    CALL_FAULTS,
    INTERRUPTIONS,
    PLACEMENT_FAULTS,
    TASK_FAULTS,
    Fault,
    Settings,
    Span,
)

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
CAPACITY_REASON = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
#: Short words for ``start_failure``'s ``reason``; any other reason is told as it stands.
START_FAILURE_REASONS = {
    "": "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
    "failed to resolve ref: not found",
    "eni": "Timeout waiting for network interface provisioning to complete.",
    "resources": "ResourceInitializationError: unable to pull secrets or registry auth: "
    "execution resource retrieval failed",
}
START_FAILURE_REASONS["image"] = START_FAILURE_REASONS[""]


@dataclass(frozen=True)
class Kind:
    """
    What a task asks for, by which a fault may choose it.

    :param provider: the capacity provider; FARGATE where the launch type is that
    :param launch_type: as RunTask names it; empty where a strategy decides
    :param cpu: CPU units
    :param images: of its containers
    """

    provider: str = ""
    launch_type: str = ""
    subnet: str = ""
    cpu: int = 0
    images: tuple[str, ...] = ()

    def is_struck_by(self, fault: Fault) -> bool:
        """Tell whether a fault is about tasks of this kind."""
        return (
            fault.capacity_provider in ("", self.provider)
            and fault.launch_type in ("", self.launch_type)
            and fault.subnet in ("", self.subnet)
            and (not fault.over_cpu or self.cpu > fault.over_cpu)
            and (not fault.image or fault.image in self.images)
        )


@dataclass(frozen=True)
class CallPlan:
    """What is to happen to one call: a wait, a fault or none, and a wait of the answer."""

    delay: float
    fault: Fault | None
    lag: float = 0.0


@dataclass(frozen=True)
class TaskPlan:
    """What is to happen to one task; times in seconds."""

    provisioning: float = 0.0
    stopping: float = 0.0
    missing_for: float = 0.0
    never_seen: bool = False
    start_failure: str = ""
    start_failure_code: str = ""
    interruption: Fault | None = None
    interruption_after: float = 0.0
    pretended_duration: float | None = None
    pretended_exit_code: int = 0


class FaultSource:
    """
    Draws from the settings what happens to each call and to each task. Thread-safe.

    :param settings: what to draw from, until ``replace``
    :param clock: seconds, monotonic; fills the token buckets
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._random = random.Random(settings.seed)
        self._settings = settings
        #: How often a fault of each kind and operation has struck, or a setting that is none: see :meth:`note`.
        self.strikes: Counter[tuple[str, str]] = Counter()
        self._prepare()

    @property
    def settings(self) -> Settings:
        return self._settings

    def replace(self, settings: Settings) -> None:
        """Draw from other settings. What did not change keeps its place: bucket, count, random numbers."""
        with self._lock:
            old, self._settings = self._settings, settings
            if settings.seed != old.seed:
                self._random.seed(settings.seed)
            self._prepare(old)

    def _prepare(self, old: Settings | None = None) -> None:
        if old is None or old.rate_limits != self._settings.rate_limits:
            self._buckets = {
                limit: TokenBucket(limit.rate, limit.burst, self._clock)
                for limit in self._settings.rate_limits
            }
        if old is None or old.faults != self._settings.faults:
            self._left = [fault.times for fault in self._settings.faults]

    def call(self, operation: str) -> CallPlan:
        """Decide what happens to a call that came in just now."""
        with self._lock:
            latency = self._settings.latency
            named = operation if operation in latency else ANY_OPERATION
            delay = self._draw(latency.get(named, Span()))
            if delay:
                self.strikes["latency", named] += 1
            admitted = self._admit(operation)
            fault = self._strike(CALL_FAULTS, operation) if admitted else Fault("throttle", operation)
            return CallPlan(delay, fault, self._draw(fault.after) if fault and fault.kind == "slow" else 0.0)

    def placement_failure(self, kind: Kind = Kind()) -> str | None:
        """Decide whether a RunTask finds no capacity of a kind; returns the reason."""
        with self._lock:
            fault = self._strike(PLACEMENT_FAULTS, kind=kind)
            return fault and (fault.reason or CAPACITY_REASON)

    def task(self, capacity: Kind = Kind()) -> TaskPlan:
        """Decide what becomes of a new task that asks for this."""
        with self._lock:
            settings, fault = self._settings, self._strike(TASK_FAULTS, kind=capacity)
            kind = fault.kind if fault else ""
            pretend = settings.pretend
            return TaskPlan(
                provisioning=self._draw(settings.provisioning_time),
                stopping=self._draw(settings.stopping_time),
                missing_for=self._draw(settings.missing_for),
                never_seen=kind == "missing",
                start_failure=start_failure_reason(fault) if fault and kind == "start_failure" else "",
                start_failure_code=fault.stop_code if fault else "",
                interruption=fault if kind in INTERRUPTIONS else None,
                interruption_after=self._draw(fault.after) if fault else 0.0,
                pretended_duration=self._draw(pretend.duration) if pretend else None,
                pretended_exit_code=self._weighted(pretend.exit_codes) if pretend else 0,
            )

    def note(self, setting: str) -> None:
        """Count that a setting which is no fault, such as ``vcpu_quota``, was met."""
        with self._lock:
            self.strikes[setting, ANY_OPERATION] += 1

    def _admit(self, operation: str) -> bool:
        # No short cut: a call that one bucket refuses still costs the others a token, as it does at AWS.
        return all(
            [bucket.take() for limit, bucket in self._buckets.items() if operation in limit.operations]
        )

    def _strike(self, kinds: Container[str], operation: str = "", kind: Kind = Kind()) -> Fault | None:
        """Return the first fault of these kinds that strikes now, and count it."""
        for index, fault in enumerate(self._settings.faults):
            left = self._left[index]
            concerned = not operation or fault.operation in (ANY_OPERATION, operation)
            concerned &= kind.is_struck_by(fault)
            if fault.kind not in kinds or not concerned or left == 0:
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            if left is not None:
                self._left[index] = left - 1
            self.strikes[fault.kind, fault.operation] += 1
            return fault
        return None

    def _draw(self, span: Span) -> float:
        return span.low if span.low == span.high else self._random.uniform(span.low, span.high)

    def _weighted(self, choices: tuple[tuple[int, float], ...]) -> int:
        if len(choices) == 1:
            return choices[0][0]
        return self._random.choices([code for code, _ in choices], [weight for _, weight in choices])[0]


def start_failure_reason(fault: Fault) -> str:
    """Return what a task that fails to start gives as its reason."""
    return START_FAILURE_REASONS.get(fault.reason, fault.reason)

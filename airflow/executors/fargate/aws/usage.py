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
What an ECS task took: the seconds of its steps, and the vCPU-seconds and GB-seconds that AWS bills. Pure.

The times are AWS's, except for the hand-over by the scheduler, whose clock may differ: no step is shorter than 0.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html

AWS bills what the ECS task asks for, from the begin of the image pull until it has stopped, rounded up to the
second, with a minimum. On other capacity than Fargate it bills the instances.
https://aws.amazon.com/fargate/pricing/
"""

from __future__ import annotations

import math
from typing import NamedTuple

from airflow.executors.fargate.aws.sizes import PER_LARGE_UNIT, comparable
from airflow.executors.fargate.notes import ENDED, RAN, with_moment

#: The least seconds that AWS bills for an ECS task on Fargate, with Linux and with Windows containers. Those of Linux:
#: https://github.com/aws/containers-roadmap/issues/2636. No page of AWS's was found that confirms those of Windows.
LINUX_MINIMUM, WINDOWS_MINIMUM = 60, 300
#: How architectures are written in a note, by the value of the attribute ``ecs.cpu-architecture``.
ARCHITECTURES = {"x86_64": "x86", "arm64": "ARM"}


class Usage(NamedTuple):
    """What AWS says of an ECS task: times in seconds since the epoch, None if it sends none; other members as sent."""

    created: float | None = None
    pull_started: float | None = None
    pull_stopped: float | None = None
    started: float | None = None
    stopping: float | None = None
    execution_stopped: float | None = None
    stopped: float | None = None
    cpu: str = ""
    memory: str = ""
    capacity_provider: str = ""
    launch_type: str = ""
    platform_family: str = ""
    architecture: str = ""


class Took(NamedTuple):
    """The seconds of the steps of an ECS task; None for one of which AWS does not send both times."""

    #: From the hand-over by the scheduler until AWS had accepted the ECS task.
    accepted: float | None
    #: Until the image pull began: AWS finds capacity and attaches the network interface.
    provisioned: float | None
    #: Until the images of all containers were there.
    pulled: float | None
    #: Until the containers had started.
    started: float | None
    #: Until they had stopped; until the ECS task has, or begins to stop, if AWS does not say that.
    ran: float | None


class Billed(NamedTuple):
    """What AWS bills for an ECS task on Fargate."""

    vcpus: float
    gb: float
    seconds: int
    #: Whether the ECS task has stopped. If not, AWS bills some more seconds.
    is_final: bool
    is_spot: bool
    #: ``x86_64`` or ``arm64``; empty if AWS does not say it.
    architecture: str

    @property
    def vcpu_seconds(self) -> float:
        """The seconds times the vCPUs."""
        return self.vcpus * self.seconds

    @property
    def gb_seconds(self) -> float:
        """The seconds times the GB of memory."""
        return self.gb * self.seconds


def took(usage: Usage, handed_over: float) -> Took:
    """
    Return what the steps of an ECS task took.

    :param handed_over: when the scheduler handed the launch over, seconds since the epoch; 0 if that is not known.
    """
    return Took(
        _between(handed_over or None, usage.created),
        _between(usage.created, usage.pull_started),
        _between(usage.pull_started, usage.pull_stopped),
        _between(usage.pull_stopped, usage.started),
        _between(usage.started, usage.execution_stopped or usage.stopped or usage.stopping),
    )


def billed(usage: Usage) -> Billed | None:
    """Return what AWS bills; None if it bills instances, has pulled no image, or does not say what is needed."""
    units, mib = comparable(usage.cpu, usage.memory)
    is_spot = usage.capacity_provider == "FARGATE_SPOT"
    on_fargate = is_spot or "FARGATE" in (usage.capacity_provider, usage.launch_type)
    seconds = _between(usage.pull_started, usage.stopped or usage.execution_stopped or usage.stopping)
    if not (on_fargate and units and mib) or seconds is None:
        return None
    is_windows = usage.platform_family.lower().startswith("windows")
    least = WINDOWS_MINIMUM if is_windows else LINUX_MINIMUM
    size = units / PER_LARGE_UNIT, mib / PER_LARGE_UNIT
    return Billed(
        *size, max(least, math.ceil(seconds)), usage.stopped is not None, is_spot, usage.architecture
    )


def started_note(usage: Usage, handed_over: float) -> str | None:
    """
    Return the note that an ECS task has started, and when; None if that is not known.

    :param handed_over: see :func:`took`.
    """
    # The scheduler's clock may be ahead of AWS's: the whole is no shorter than AWS's steps.
    begin = min(handed_over, usage.created or handed_over)
    seconds = _between(begin or None, usage.started)
    if seconds is None or usage.started is None:
        return None
    steps = _steps(took(usage, handed_over))
    return with_moment(f"Started after {seconds:.0f} s{steps and f' ({steps})'}", usage.started)


def ended_note(took: Took, billed: Billed | None) -> str:
    """Return the note on what an ECS task took that has ended; empty if nothing is known."""
    begin = ENDED if took.ran is None else f"{RAN} {took.ran:.0f} s"
    steps = _steps(took)
    if billed is None:
        return f"{begin}{steps and f': {steps}'}." if steps or took.ran is not None else ""
    return f"{begin}{steps and f': {steps}'}. {_bill(billed)}"


def _bill(billed: Billed) -> str:
    sums = f"{_number(billed.vcpu_seconds)} vCPU-seconds, {_number(billed.gb_seconds)} GB-seconds"
    kind = "Spot" if billed.is_spot else "on demand"
    architecture = ARCHITECTURES.get(billed.architecture, billed.architecture)
    return (
        f"Billed{'' if billed.is_final else ' until now'}: {_number(billed.vcpus)} vCPU and {_number(billed.gb)} GB for "
        f"{billed.seconds} s = {sums}, {kind}{architecture and f', {architecture}'}."
    )


def _number(value: float) -> str:
    """Return a number with all its digits before the point, and at most two after it."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _steps(took: Took) -> str:
    """Return the steps until the start, as far as they are known."""
    names = ("accepted", "provisioned", "image pulled", "started")
    known = zip(names, took)  # All but the last.
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in known if seconds is not None)


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)

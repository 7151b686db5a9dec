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
"""What a row of the table of faults says: the fault, what happens, and what must be seen. All times are seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: How a task instance must end: as the exit code of its container says; failed whatever it was.
BY_EXIT_CODE = "by exit code"
FAILED = "failed"

#: ``max_launch_attempts``: how many containers may fail to start before the launch fails.
ATTEMPTS = 3
#: Why an operator stops an ECS task, with AWS's own tools.
OPERATOR = "An operator was here"
#: By how many seconds a clock jumps; by no factor, since clocks know none.
JUMP = 3600.0
#: Seconds for which a token lives whose launches must all have been tried before no attempt may begin any more: on a busy
#: machine the first attempts took longer than the twelve seconds that are left of 180 by CI's scale.
TOKEN_LIFE = 480.0


@dataclass(frozen=True)
class Step:
    """
    Something that happens while a row runs: other settings of the local Fargate, or an act of the world.

    :param at: seconds after the row's beginning; later by what the hand-over took too long, or the step before was late, so
        that what lies between them has its time on a machine that stood still for a while
    :param settled: whether it waits until the executor follows no launch, however long that takes
    :param running: until how many containers run it waits
    :param starting: until how many containers that have not started yet it waits
    :param noted: whether it waits until each launch has the note that is expected
    """

    at: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: The name of a function of ``acts.py``.
    act: str = ""
    #: What STS does from then on: see :attr:`Row.sts`.
    sts: str = ""
    settled: bool = False
    running: int = 0
    starting: int = 0
    noted: bool = False


@dataclass(frozen=True)
class Expected:
    """
    What must be seen of every launch, exactly.

    A container that never started is counted by ``failed_starts``, any other one by ``containers``.
    """

    ends: str = BY_EXIT_CODE
    #: What the reason of each failure must contain, where it does not go by the exit code.
    reason: str = ""
    #: How many containers may have run user code: one of these numbers, and how many there may be.
    ran: tuple[int, ...] = (1,)
    containers: tuple[int, ...] = (1,)
    #: At least, at most; None is no limit.
    failed_starts: tuple[int, int | None] = (0, 0)
    #: Seconds after the last step within which all containers must have been launched; None where it is no matter.
    resumed: float | None = None
    #: Whether nothing can be launched before the last step.
    none_before: bool = False
    #: Errors of AWS that no call may have met.
    unmet: tuple[str, ...] = ()
    #: What one note of each launch must contain, all of it.
    note: tuple[str, ...] = ()
    #: Seconds after their hand-over within which those that were handed over later must have an ECS task.
    overtaking: float | None = None
    #: Of launches whose ECS task somebody stopped before it started: what the reason of their failure must contain; they
    #: are not launched again.
    stopped: str = ""

    def is_told(self, notes: Iterable[str]) -> bool:
        """Tell whether one of a launch's notes is the one that is expected."""
        return any(all(part in note for part in self.note) for note in notes)

    def in_words(self) -> str:
        """Return what is expected, for the table."""
        ran = " or ".join(map(str, self.ran))
        least, most = self.failed_starts
        starts = "" if most == 0 else f", {least} to {'any' if most is None else most} failed starts"
        return f"{self.ends}; {ran} ran{starts}"


@dataclass(frozen=True)
class Row:
    """
    One fault.

    :param name: its id in tests and tables
    :param fault: what goes wrong, in words
    :param happens: what happens then, in words
    :param settings: the local Fargate's, from the beginning on
    :param steps: what happens later
    :param seconds: how long it may take, beside what the machine needs
    :param procedure: the function of ``procedures.py`` that drives it
    """

    name: str
    fault: str
    happens: str
    expected: Expected = Expected()
    settings: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    seconds: float = 120.0
    procedure: str = "launch"
    #: Options of ``[fargate]`` beside the usual ones.
    options: Mapping[str, str] = field(default_factory=dict)
    #: The executor_config of each fifth task instance, and what the reason of its failure must contain.
    odd_config: Any = None
    odd_reason: str = ""
    #: The executor_config of each fifth task instance that the procedure ``overtaking`` hands over later.
    later_config: Any = None
    #: RunTask calls that are admitted in a second, as a share of all task instances; None for the executor's default.
    launches_a_second: float | None = None
    #: What STS does, where the scheduler's credentials come from it: answers "well", is "away" or "silent", or refuses
    #: with an error code. Empty where they come from the environment.
    sts: str = ""
    #: How many ECS tasks of the deployment have already stopped when a successor adopts.
    stopped: int = 0
    #: How long the token in a command lives; None for ever.
    token_life: float | None = None
    #: The share of all task instances for which the account has vCPUs; None is no limit.
    quota: float | None = None
    #: By how many seconds the clock of the scheduler that is killed is ahead; by no factor.
    ahead: float = 0.0
    #: Shell commands that run beside the task, by name; all containers are real processes then.
    sidecars: Mapping[str, str] = field(default_factory=dict)
    #: Whether the task ends with the first of those.
    essential: bool = False
    #: Whether it is for ``--long`` alone.
    long: bool = False
    #: Whether nothing else may run meanwhile: it changes what belongs to the whole process, or is judged by its pace.
    alone: bool = False


@dataclass(frozen=True)
class Size:
    """How big a run of the table is: task instances in each row, and what every time is multiplied with."""

    tasks: int
    scale: float


CI = Size(40, 0.1)
LONG = Size(200, 1.0)

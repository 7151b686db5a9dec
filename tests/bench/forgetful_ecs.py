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
"""An ECS that forgets as AWS does, so that what grows in a soak is the executor's own."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tests.executors.fargate.fakes import NO_CAPACITY, BusyEcs, aws_error

#: Seconds for which a container runs, in turn.
DURATIONS = (1.0, 7.0, 31.0, 113.0)
#: Seconds; AWS keeps a stopped ECS task for an hour.
RETENTION = 3600.0
#: Every so many calls of RunTask something else happens; the numbers have no common factor, so that all mixes come.
LOST, THROTTLED, LACKING, REFUSED = 41, 43, 47, 1009
#: Every so many ECS tasks end otherwise than well.
NEVER_STARTS, FAILS, ENDS_WITHOUT_A_CODE = 37, 53, 59


class ForgetfulEcs(BusyEcs):
    """Answers as ECS does, with a fault now and then, and keeps no ECS task once its end was told, and no call."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.calls = deque(maxlen=0)
        self.throttles = deque(maxlen=0)
        self.throttled = {"run_task": THROTTLED}
        self._asked = itertools.count(1)
        self._started = itertools.count(1)
        #: The token of each ECS task, and when it ends.
        self._plans: dict[str, tuple[str, float]] = {}
        #: How often DescribeTasks was called.
        self.looks = 0

    def forget(self) -> None:
        """Forget ECS tasks that ended long ago and that nobody has asked for."""
        for arn, (_, ends_at) in list(self._plans.items()):
            if ends_at + RETENTION < self._clock():
                self._forget(arn)

    def _forget(self, arn: str) -> None:
        self._tokens.pop(self._plans.pop(arn)[0])
        del self.tasks[arn]

    def _run_task(self, request: Mapping[str, Any], token: str) -> Any:
        number, is_new = next(self._asked), token not in self._tokens
        if number % LACKING == 0:
            return {"tasks": [], "failures": [{"reason": NO_CAPACITY}]}
        if number % REFUSED == 0:
            raise aws_error("AccessDeniedException", status=403)
        answer = super()._run_task(request, token)
        if is_new:
            self._begin(self._tokens[token][1], token)
        if number % LOST == 0:
            raise ConnectionResetError
        return answer

    def _begin(self, arn: str, token: str) -> None:
        number = next(self._started)
        seconds = DURATIONS[number % len(DURATIONS)]
        self._plans[arn] = token, self._clock() + seconds
        if number % NEVER_STARTS == 0:
            self.later(seconds, partial(self._end, arn, partial(self.break_at_start, arn)))
            return
        self.start(arn)
        code = int(number % FAILS == 0) if number % ENDS_WITHOUT_A_CODE else None
        self.later(seconds, partial(self._end, arn, partial(self.exit, arn, code)))

    def _end(self, arn: str, end: Callable[[], None]) -> None:
        """End an ECS task, unless it was stopped before."""
        if arn in self.tasks and self.tasks[arn]["lastStatus"] != "STOPPED":
            end()

    def _describe_tasks(self, cluster: str, arns: Sequence[str]) -> Any:
        self.looks += 1
        answer = super()._describe_tasks(cluster, arns)
        for task in answer["tasks"]:
            if task["lastStatus"] == "STOPPED":
                self._forget(task["taskArn"])
        return answer

    def _stop_task(self, cluster: str, arn: str, reason: str) -> None:
        super()._stop_task(cluster, arn, reason)
        self._end(arn, partial(self.exit, arn, 0, reason))

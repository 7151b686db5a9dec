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
"""Has the request of each launch made, by the user's own function where there is one: on a thread of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.fleet.launch_state import Line, Run, rank

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Calls, Reply
    from airflow.executors.fargate.launch import Launch
    from airflow.executors.fargate.request.builder import Prepared

log = logging.getLogger(__name__)

#: Seconds after which a function that makes a request counts as one that does not return.
FUNCTION_PATIENCE = 60.0


class Owner(Protocol):
    """Who is told what becomes of a run."""

    def prepared(self, run: Run) -> None:
        """Go on with a run whose request is made."""

    def given_up(self, run: Run) -> None:
        """Go no further: Airflow has given up the launch meanwhile."""

    def ended(self, run: Run, reason: str | None) -> None:
        """End the launch, of which no request can be made."""


class Preparer:
    """
    Makes the requests of launches, those of the highest priority first, and no more of them than can go soon.

    :param build: makes the request of a launch.
    :param calls: has it called.
    :param owner: is told what becomes of each run.
    :param clock: seconds, never going backwards.
    """

    def __init__(
        self,
        *,
        build: Callable[[Launch], Prepared],
        calls: Calls,
        owner: Owner,
        clock: Callable[[], float],
    ) -> None:
        self._build = build
        self._calls = calls
        self._owner = owner
        self._clock = clock
        self._line = Line()
        #: Since when the function has been at its present request; None while it is at none.
        self._since: float | None = None
        self._said = False

    def put(self, run: Run) -> None:
        """Let a run without a request take its turn."""
        self._line.put(run)

    def discard(self, run: Run) -> None:
        """Let a run leave that is given up."""
        self._line.discard(run)

    def clear(self) -> None:
        """Forget all turns."""
        self._line = Line()

    def work(self, enough: bool, first: Run | None) -> float | None:
        """
        Have the next request made; return when to look again, or None if only a message can tell.

        :param enough: whether there are as many requests as can be sent soon.
        :param first: the run whose request goes next: only one of a higher priority has its own made then.
        """
        run = self._line.first()
        if run is not None and self._calls.admits(self._calls.build):
            if not enough or first is None or rank(run) < rank(first):
                self._line.discard(run)
                self._calls.make_request(run, partial(self._build, run.launch), self._built)
                self._since, self._said = self._clock(), False
        return self._look_at_the_function()

    def _look_at_the_function(self) -> float | None:
        """Say once that the function does not return; return when to look at that, or None."""
        if self._since is None or self._said:
            return None
        if self._clock() < self._since + FUNCTION_PATIENCE:
            return self._since + FUNCTION_PATIENCE
        self._said = True
        stuck = ", ".join(map(str, self._calls.runs(self._calls.build)))
        log.warning(
            "%s It was called for %s; %d launches wait for it.", self._hangs(), stuck, len(self._line)
        )
        return None

    def waits(self, run: Run) -> str | None:
        """Return why a run has waited for its request over a minute; None where only its turn has not come."""
        since = self._since
        return None if since is None or self._clock() < since + FUNCTION_PATIENCE else self._hangs()

    def _hangs(self) -> str:
        since = self._clock() if self._since is None else self._since
        return (
            "The function that [fargate] execution_config_function names makes the requests of launches, and has not "
            f"returned for {self._clock() - since:.0f} s: no launch without a request goes on."
        )

    def _built(self, runs: Sequence[Run], reply: Reply) -> None:
        self._since = None
        (run,) = runs
        if run.abandoned:
            self._owner.given_up(run)
        elif reply.error is None:
            prepared: Prepared = reply.value
            run.container_name, run.cluster = prepared.container_name, prepared.cluster
            run.prepared = prepared
            self._owner.prepared(run)
        elif isinstance(reply.error, RequestError):
            self._owner.ended(run, f"No container was launched: {reply.error}.")
        else:
            # A bug of ours, or of the service model: the traceback is for the log, the type for the user.
            log.error("Making the request for %s failed", run, exc_info=reply.error)
            self._owner.ended(
                run, f"No container was launched: {type(reply.error).__name__} in the executor."
            )

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
"""Makes the requests of launches on a thread of its own, as the user's function can take long."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.fleet.attempts import Decision, Fail, Retry
from airflow.executors.fargate.fleet.context import Part
from airflow.executors.fargate.fleet.launch_state import Line, Run
from airflow.executors.fargate.fleet.waits import Wait

if TYPE_CHECKING:
    from airflow.executors.fargate.fleet.calls import Reply
    from airflow.executors.fargate.fleet.lifecycle import Lifecycle

log = logging.getLogger(__name__)

#: Seconds after which a function that has not returned is reported.
FUNCTION_PATIENCE = 60.0


class Preparer(Part):
    """Makes requests in the order of launches, and no more of them than can be sent soon."""

    def __init__(self, owner: Lifecycle) -> None:
        super().__init__(owner)
        #: The runs that have no request yet.
        self.line = Line()
        #: When the function was called for its present request; None while it is not called.
        self._since: float | None = None
        self._reported = False

    def work(self, enough: bool, first: Run | None) -> float | None:
        """
        Have the next request made; return when to look again, or None if only a message can tell.

        :param enough: whether there are as many requests as can be sent soon.
        :param first: the run that is sent next. A run that comes before it has its request made even then.
        """
        run = self.line.first()
        if run is not None and self._calls.admits(self._calls.build):
            if not enough or first is None or run < first:
                self.line.discard(run)
                build = partial(self._context.build, run.launch)
                self._calls.make(self._calls.build, build, partial(self._built, run), [run])
                self._since, self._reported = self._clock(), False
        # Log once that the function has not returned.
        if self._since is None or self._reported:
            return None
        wait = self.look()
        if wait is None:
            return self._since + FUNCTION_PATIENCE
        self._reported = True
        called_for = ", ".join(map(str, self._calls.build.runs))
        log.warning("%s It was called for %s; %d launches wait.", wait.text, called_for, len(self.line))
        return None

    def look(self) -> Wait | None:
        """Return what launches without a request wait for: the function, if it has not returned in time."""
        if self._since is None or self._clock() < self._since + FUNCTION_PATIENCE:
            return None
        return Wait(
            "request",
            "The function that [fargate] execution_config_function names has not returned for "
            f"{self._clock() - self._since:.0f} s. Launches whose request it has not made yet wait for it.",
        )

    def _built(self, run: Run, reply: Reply) -> None:
        self._since = None
        decision: Decision = Retry()
        if reply.error is None:
            run.prepared = reply.value
            run.container_name, run.cluster = reply.value.container_name, reply.value.cluster
        elif isinstance(reply.error, RequestError):
            decision = Fail(f"No ECS task was launched: {reply.error}.")
        else:
            # A bug of the executor or of the service model. The user gets the type only: the text can hold
            # secrets.
            log.error("Making the request for %s failed", run, exc_info=reply.error)
            decision = Fail(f"No ECS task was launched: {type(reply.error).__name__} in the executor.")
        self._owner.launcher.apply(run, decision)

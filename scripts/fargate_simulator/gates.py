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
"""Holds calls, or their answers, until a test lets them go: so that something else happens at exactly that moment."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fargate_simulator.http_server import DropConnection
from fargate_simulator.settings import SettingsError

#: Where a call can be held: before it is carried out, or after that, before its answer is sent.
CALL, ANSWER = "call", "answer"
#: Seconds after which a call is let go whatever the gates say: longer than any client waits.
MAX_HOLD = 120.0


class Gates:
    """The gates that are closed, and who waits at them. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed: dict[str, str] = {}
        self._waiting: Counter[str] = Counter()
        self._drops = 0

    def close(self, given: Any) -> dict[str, Any]:
        """
        Close these gates, from operation to ``call`` or ``answer``, and open all others.

        :raises SettingsError: this names no gate
        """
        if not isinstance(given, Mapping) or not set(given.values()) <= {CALL, ANSWER}:
            raise SettingsError([f"must be an object of operation and {CALL!r} or {ANSWER!r}, not {given!r}"])
        with self._changed:
            self._closed = dict(given)
            self._changed.notify_all()
        return self.to_json()

    def drop(self) -> dict[str, Any]:
        """Open all gates, and reset the connection of whoever waits: a call that is held is not carried out."""
        with self._changed:
            self._drops += 1
        return self.close({})

    def to_json(self) -> dict[str, Any]:
        """Return the gates that are closed, each with how many wait there."""
        with self._changed:
            return {
                operation: {"holds": point, "waiting": self._waiting[operation]}
                for operation, point in self._closed.items()
            }

    def go_through(self, operation: str, point: str) -> None:
        """
        Wait as long as the gate is closed.

        :raises DropConnection: the call was dropped
        """
        with self._changed:
            if self._closed.get(operation) != point:
                return
            drops = self._drops
            self._waiting[operation] += 1
            self._changed.wait_for(
                lambda: self._closed.get(operation) != point or self._drops > drops, MAX_HOLD
            )
            self._waiting[operation] -= 1
            if self._drops > drops:
                raise DropConnection

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
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tools.simulator import json_readers
from tools.simulator.http.server import DropConnection
from tools.simulator.settings import SettingsError

#: Where a call can be held: before it is carried out, or after that, before its answer is sent.
CALL, ANSWER = "call", "answer"
#: Seconds after which a call is let go whatever the gates say: longer than any client waits.
MAX_HOLD = 900.0


@dataclass(frozen=True)
class Gate:
    """
    What is held.

    ``operation``'s calls whose body has the text ``containing``; ``holds`` is ``call`` or ``answer``. With ``drop``, the
    connections of whoever waits are reset instead: a call that was held is not carried out.
    """

    operation: str
    holds: str = CALL
    containing: str = ""
    drop: bool = False

    def holds_up(self, operation: str, body: bytes, point: str) -> bool:
        """Tell whether a call has to wait here."""
        return (self.operation, self.holds) == (operation, point) and self.containing.encode() in body


class Gates:
    """The gates that are closed, by name, and how many calls wait at each. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._gates: dict[str, Gate] = {}
        self._waiting: dict[str, int] = {}
        #: How often those who waited at a gate were dropped: it counts even if the gate is opened right afterwards.
        self._drops: dict[str, int] = {}

    def close(self, given: Any) -> dict[str, Any]:
        """
        Close these gates, from name to what is held, and open those that are not named.

        :raises SettingsError: this is no gate
        """
        gates = _read(given)
        with self._changed:
            self._gates = gates
            for name in (name for name, gate in gates.items() if gate.drop):
                self._drops[name] = self._drops.get(name, 0) + 1
            self._changed.notify_all()
        return self.to_json()

    def to_json(self) -> dict[str, Any]:
        """Return the gates that are closed, each with how many wait there."""
        with self._changed:
            return {
                name: {**asdict(gate), "waiting": self._waiting.get(name, 0)}
                for name, gate in self._gates.items()
            }

    def go_through(self, operation: str, body: bytes, point: str) -> None:
        """
        Wait at each gate that is closed for this call.

        :raises DropConnection: the call was dropped
        """
        with self._changed:
            for name, gate in list(self._gates.items()):
                if gate.holds_up(operation, body, point):
                    self._wait(name)

    def _wait(self, name: str) -> None:
        if self._gates[name].drop:
            raise DropConnection
        drops = self._drops.get(name, 0)
        self._waiting[name] = self._waiting.get(name, 0) + 1
        self._changed.wait_for(lambda: name not in self._gates or self._drops.get(name, 0) > drops, MAX_HOLD)
        self._waiting[name] -= 1
        if self._drops.get(name, 0) > drops:
            raise DropConnection


def _read(given: Any) -> dict[str, Gate]:
    mistakes: list[str] = []
    if not isinstance(given, Mapping):
        json_readers.wrong("gates", "an object of name and gate", given, mistakes)
        raise SettingsError(mistakes)
    gates = {name: _GATE(gate, name, mistakes) for name, gate in given.items()}
    if mistakes:
        raise SettingsError(mistakes)
    return gates


def _point(value: Any, key: str, mistakes: list[str]) -> Any:
    if value not in (CALL, ANSWER):
        json_readers.wrong(key, f"{CALL!r} or {ANSWER!r}", value, mistakes)
    return value


def _yes_or_no(value: Any, key: str, mistakes: list[str]) -> Any:
    if not isinstance(value, bool):
        json_readers.wrong(key, "true or false", value, mistakes)
    return value


_GATE = json_readers.object_of(
    Gate,
    {
        "operation": json_readers.text,
        "holds": _point,
        "containing": json_readers.text,
        "drop": _yes_or_no,
    },
    required=("operation",),
)

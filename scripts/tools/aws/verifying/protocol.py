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
"""What the program of the trials says on its standard output, line by line."""

from __future__ import annotations

import collections
import json
from collections.abc import Callable, Iterator
from typing import Any

from tools.aws.inside.lines import MARK
from tools.aws.inside.recorder import from_parts

#: A line of at least so many characters may be cut, and go on in the next event: the shortest that a log driver of ECS cuts
#: at (16 KiB, https://docs.docker.com/engine/logging/configure/), without what the mark and the cut may take.
CUT = 16_000
#: So many of Airflow's own last lines are kept, for the case that the ECS task dies.
TAIL = 25

Message = dict[str, Any]


class Results:
    """
    What has come so far.

    :param on_trial: is called with each trial that has ended.
    :param on_log: is called with each word of progress.
    """

    def __init__(self, on_trial: Callable[[Message], None], on_log: Callable[[str], None]) -> None:
        self._on_trial = on_trial
        self._on_log = on_log
        self._begun = ""
        self._parts: dict[tuple[str, int], dict[int, str]] = {}
        self._counts: dict[tuple[str, int], int] = {}
        self.versions: Message = {}
        """What Airflow, executor and Python it is."""
        self.trials: list[Message] = []
        """The trials that have ended, in their order."""
        self.ended = False
        """Whether the program has said that it has done all."""
        self.broken = 0
        """How many of its lines nobody could read."""
        self.tail: collections.deque[str] = collections.deque(maxlen=TAIL)
        """The last lines that are not the program's."""

    def take(self, line: str) -> bool:
        """Take a line and return whether it is Airflow's own."""
        if line.startswith(MARK):
            self.broken += bool(self._begun)
            self._begun = line[len(MARK) :]
        elif self._begun:
            self._begun += line
        else:
            self.tail.append(line)
            return True
        try:
            message = json.loads(self._begun)
        except ValueError:
            if len(line) >= CUT:
                return False
            self.broken += 1
            message = {}
        self._begun = ""
        self._understand(message)
        return False

    def recordings(self) -> Iterator[tuple[str, Any]]:
        """Yield the name of the file of each recording and its content; None where a part is missing or unreadable."""
        for (trial, number), parts in self._parts.items():
            name = f"{trial}.json" if number == 1 else f"{trial}-{number}.json"
            yield name, _joined(parts, self._counts[trial, number])

    def _understand(self, message: Message) -> None:
        kind = message.get("kind")
        if kind == "began":
            self.versions = {name: value for name, value in message.items() if name != "kind"}
        elif kind == "trial":
            self.trials.append({name: value for name, value in message.items() if name != "kind"})
            self._on_trial(self.trials[-1])
        elif kind == "recording":
            key = message["trial"], message["number"]
            self._parts.setdefault(key, {})[message["part"]] = message["data"]
            self._counts[key] = message["parts"]
        elif kind == "log":
            self._on_log(message["text"])
        elif kind == "end":
            self.ended = True


def _joined(parts: dict[int, str], count: int) -> Any:
    try:
        return from_parts([parts[part] for part in range(1, count + 1)])
    except (KeyError, ValueError, OSError, EOFError):
        return None

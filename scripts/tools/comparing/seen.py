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
"""What a comparison reads: the ledger of ECS tasks, the file of the code that ran, and the log page of a try."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.harness.processes import without_tokens

#: A line of a log that the Dag's task has said.
NUMBERED = re.compile(r"\bLine (\d+) of \d+$")
#: How either executor tells in the scheduler's log how many task instances it has adopted.
ADOPTED = re.compile(r"Adopted (?:the following )?(\d+) task")
#: How Airflow begins to tell that it cannot show a log.
UNREADABLE = "Could not read"
#: Characters of a reason that a cell quotes.
QUOTED = 200


@dataclass(frozen=True)
class EcsTask:
    """An ECS task for a task instance; times in seconds since 1970."""

    arn: str
    run_id: str
    name: str
    """The task's id and the map index."""
    created: float
    stopped_reason: str | None
    live: bool


def ecs_tasks(ledger: Iterable[Mapping[str, Any]]) -> list[EcsTask]:
    """Return the ECS tasks in a ledger, whichever executor has launched them: the command has Airflow's workload."""
    return [_ecs_task(entry) for entry in ledger]


def _ecs_task(entry: Mapping[str, Any]) -> EcsTask:
    commands = [container["command"] for container in entry["containers"]]
    # A sidecar's command has none.
    (workload,) = [json.loads(words[-1]) for words in commands if words and words[-1].startswith("{")]
    ti = workload["ti"]
    return EcsTask(
        entry["taskArn"],
        ti["run_id"],
        f"{ti['task_id']}[{ti['map_index']}]",
        entry["createdAt"],
        entry.get("stoppedReason"),
        entry["lastStatus"] != "STOPPED",
    )


class Witness:
    """Knows whose code has run, by the file that the tasks write to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ran(self, *run_ids: str) -> Counter[str]:
        """Return how often the code of each task instance of some DAG runs has begun."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        told = [json.loads(line) for line in lines]
        return Counter(f"{one['run_id']} {one['name']}" for one in told if one["run_id"] in run_ids)


def numbered(lines: Iterable[str]) -> Counter[int]:
    """Return how often a log page has each of the numbered lines."""
    return Counter(int(found[1]) for line in lines if (found := NUMBERED.search(line)))


def reason(lines: Iterable[str], words: Sequence[str]) -> str | None:
    """Return the first line that has one of the words for what has happened, as a whole word; None where none has."""
    wanted = [re.compile(rf"\b{re.escape(word)}\b") for word in words if word]
    return next((short(line) for line in lines if any(word.search(line) for word in wanted)), None)


def unreadable(lines: Iterable[str]) -> str | None:
    """Return what a log page could not read, without the details after a colon; None where it says nothing of it."""
    return next((short(line.partition(":")[0]) for line in lines if UNREADABLE in line), None)


def short(text: str) -> str:
    """Return text on one line, without tokens, cut where a cell would be too long."""
    return textwrap.shorten(without_tokens(text), QUOTED, placeholder=" …")


def adopted(log: str) -> int:
    """Return how many task instances schedulers have adopted, by what they wrote to their log."""
    return sum(map(int, ADOPTED.findall(log)))

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
Shows the log of a try in the UI: its ECS tasks' lines in CloudWatch Logs, or why there are none, and the notes.

The API server (the webserver of Airflow 2) reads it. An open page reads it every few seconds: what was read is kept
(:mod:`copies`), so that only what has come since is requested.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.executors.fargate import notes
from airflow.executors.fargate.aws.arns import log_link, whereabouts
from airflow.executors.fargate.aws.clients import THREAD_NAMES
from airflow.executors.fargate.logs.copies import Copies, StreamCopy, TryCopy
from airflow.executors.fargate.logs.elsewhere import Elsewhere
from airflow.executors.fargate.logs.lines import Record
from airflow.executors.fargate.logs.merging import (
    ARRIVAL,
    SETTLE,
    Hidden,
    Stop,
    in_order_of_arrival,
    in_own_order,
)

if TYPE_CHECKING:
    from airflow.executors.fargate.logs.fetching import LogFetcher
    from airflow.executors.fargate.logs.lines import JsonForm, TextForm
    from airflow.executors.fargate.logs.tries import TriedEcsTask, Try

#: Seconds after which the page of a try that goes on gets what was read so far. It must get it within 5 s; the rest
#: is for imports and for formatting.
PATIENCE = 4.5
#: Of how many ECS tasks of a try the links, and why they have no lines, stand above its log. The notes have all links.
MAX_LINKS = 3
NOT_KNOWN = "Fargate: Airflow has not stored yet which ECS task runs this try. Look again in a moment."
NO_NOTE = (
    "Airflow's event log has no note of this ECS task: they were removed (airflow db clean), or its scheduler ended "
    "before it wrote one. Whether the try had others before it is not known."
)


class TryLog(NamedTuple):
    """The log of a try."""

    #: Where it is, one text each.
    sources: list[str]
    #: Its lines. They are read from a file, some at a time, so little is in memory.
    lines: Generator[str, None, None]
    #: Whether containers' lines are among them.
    has_lines: bool


@dataclass(eq=False)
class TryLogs:
    """
    Reads the logs of tries, running or ended. Any thread may use it.

    :param fetcher: asks AWS.
    :param now: seconds since the epoch.
    """

    fetcher: LogFetcher
    now: Callable[[], float] = time.time
    _copies: Copies = field(default_factory=Copies)

    @property
    def form(self) -> JsonForm | TextForm:
        """The form of the lines."""
        return self.fetcher.form

    def read(self, of: Try, elsewhere: Iterable[str] = (), *, only_notes: bool = False) -> TryLog:
        """
        Return a try's log: within :data:`PATIENCE` if the try goes on.

        :param elsewhere: lines that Airflow shows from elsewhere as well; they are left out. They are read after
            those in CloudWatch, as a container writes to a file first.
        :param only_notes: whether Airflow shows all lines of containers from elsewhere.
        """
        return _Reading(self, of, self._copies.of(of.key), only_notes).run(elsewhere)


class _Reading:
    """One reading of a try's log."""

    def __init__(self, logs: TryLogs, of: Try, copy: TryCopy, only_notes: bool) -> None:
        self._fetcher, self._form, self._copy = logs.fetcher, logs.form, copy
        self._of, self._ecs_tasks = of, of.ecs_tasks
        self._fetched = [] if only_notes else self._ecs_tasks
        self._now = logs.now() * 1000
        self._why = ""

    def run(self, elsewhere: Iterable[str]) -> TryLog:
        """Ask AWS for what is new, and return the log; see :meth:`TryLogs.read`."""
        is_read = bool(_within(None if self._of.has_ended else PATIENCE, self._fetch))
        parts = [self._part(one, is_read) for one in self._fetched]
        self._elsewhere = Elsewhere(self._form, elsewhere)
        has_lines = any(part.parts for part in parts)
        texts = self._texts(parts, has_lines or self._fetched is not self._ecs_tasks)
        problems = [self._cannot(part) for part in parts if part.problem] if self._of.is_polled else []
        sources = [*self._sources(parts), *problems[-MAX_LINKS:]]
        if problems:
            texts = _with_problem(texts, self._form, problems[-1])
        return TryLog(sources, texts, has_lines)

    def _part(self, one: TriedEcsTask, is_read: bool) -> _Part:
        stream = self._copy.stream(one.noted.arn)
        # Before the parts: a reading that goes on adds its last ones first.
        caught_up, problem = stream.caught_up, stream.problem
        if not (is_read or caught_up or problem):
            problem = f"not all of it was read within {PATIENCE:g} seconds; look again"
        return _Part(one, stream, stream.parts[:], caught_up, problem)

    def _fetch(self) -> bool:
        self._fetcher.fetch(self._of, self._fetched, self._copy, self._now)
        if self._of.is_unexplained and self._ecs_tasks:
            self._why = self._fetcher.explain(self._ecs_tasks[-1])
        return True

    def _sources(self, parts: Sequence[_Part]) -> Iterator[str]:
        if not self._ecs_tasks and self._of.is_polled:
            yield NOT_KNOWN
        for part in parts[-MAX_LINKS:]:
            arn, source = part.ecs_task.noted.arn, part.stream.source
            yield whereabouts(arn)
            if source is not None:
                link = log_link(arn, source.region, source.group, source.name)
                missing = ", which does not exist" if part.stream.is_missing else ""
                lossy = "; its driver may drop lines (mode non-blocking)" if source.lossy else ""
                remarks = f"{missing}{lossy}{part.stream.remark}"
                place = f"CloudWatch log group {source.group}, stream {source.name}{remarks}"
                yield f"{place}: {link}" if link else place
        if self._of.lacks_notes:
            yield NO_NOTE

    def _texts(self, parts: Sequence[_Part], has_lines: bool) -> Generator[str, None, None]:
        # The last lines of a container stand in a note, too.
        is_repeated = has_lines or self._of.is_polled
        level = {notes.FAILURE: "error"}
        noted = [
            self._form.remark(at, note.at, note.text, level.get(note.event, "info"))
            for at, note in zip(self._of.times, self._of.notes)
            if not (is_repeated and note.event == notes.LINES)
        ]
        streams = [self._records(part) for part in parts]
        if self._of.is_settled(self._now):
            records = in_own_order(noted, streams)
        else:
            settled = self._now - ARRIVAL if self._of.is_polled else float("inf")
            records = in_order_of_arrival(noted, streams, self._form, settled)
        at = self._of.ended_at or 0
        for record in records:
            at = max(at, record.at)
            yield record.text
        yield from (self._form.remark(at, at, text, level).text for text, level in self._remarks())

    def _records(self, part: _Part) -> Iterator[Record]:
        """Yield the records of an ECS task, and last why there are no more."""
        at = part.ecs_task.at or self._of.ended_at or int(self._now)
        place, noted = at + SETTLE, part.ecs_task.at and part.ecs_task.at + SETTLE
        if self._of.is_polled and noted > self._now:
            return  # None stands before the note on the launch.
        for record in self._copy.records(part.parts):
            at, place = record.at, max(record.place, noted)
            kind = Hidden if self._elsewhere.hides(record) else Record
            yield kind(at, place, record.text)
        if self._of.is_polled:
            if not part.caught_up:
                yield Stop(at, place, "")
        elif part.problem and not self._is_told(part):
            yield self._form.remark(at, place, self._cannot(part), "warning")

    def _remarks(self) -> Iterator[tuple[str, str]]:
        """Yield what is to be said at the end of a log that Airflow does not ask for again, and the levels."""
        if self._of.lacks_notes and not self._of.is_polled:
            yield NO_NOTE, "warning"
        if self._why:
            yield self._why, "error"

    def _is_told(self, part: _Part) -> bool:
        """
        Tell whether it is no news that an ECS task has no log.

        It has not started: a note says why it has not, or another one has followed it.
        """
        is_explained = self._of.has_failed and not self._of.is_unexplained
        return part.stream.is_missing and (is_explained or part.ecs_task.followed_at is not None)

    @staticmethod
    def _cannot(part: _Part) -> str:
        further = " further" if part.parts else ""
        return f"The container's log cannot be shown{further}: {part.problem}."


@dataclass(frozen=True)
class _Part:
    """What was read of an ECS task at a moment."""

    ecs_task: TriedEcsTask
    stream: StreamCopy
    #: Those of the copy.
    parts: Sequence[tuple[int, int]]
    caught_up: bool
    problem: str


def _with_problem(
    texts: Iterator[str], form: JsonForm | TextForm, problem: str
) -> Generator[str, None, None]:
    """Yield texts, the last one with a problem, which is no line of its own: Airflow counts lines."""
    last = next(texts, None)
    for text in texts:
        yield last  # type: ignore[misc]
        last = text
    if last is not None:
        yield form.with_problem(last, problem)


def _within(patience: float | None, function: Callable[[], Any]) -> Any:
    """Return what a function returns on a thread of its own, as it may hang in a call; None after ``patience`` s."""
    results: list[Any] = []
    target = lambda: results.append(function())
    thread = threading.Thread(target=target, name=f"{THREAD_NAMES}log-reader", daemon=True)
    thread.start()
    thread.join(patience)
    return results[0] if results else None

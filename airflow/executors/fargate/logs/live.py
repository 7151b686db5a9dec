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
Shows the log of a running task instance in the UI: the lines in CloudWatch Logs, or why there are none.

The API server (the webserver of Airflow 2) reads it, with an instance of the executor that was never started.
An open page reads it every few seconds. The log stream of each ECS task is cached, so that only its lines are
requested again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from pendulum import UTC

from airflow.executors.fargate.aws.arns import cluster_name, log_link, region, whereabouts
from airflow.executors.fargate.aws.clients import THREAD_NAMES, make_client
from airflow.executors.fargate.aws.ecs import Ecs
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.logs.cloudwatch import LogError, LogReader, call_aws, without_tokens

if TYPE_CHECKING:
    from airflow.executors.fargate.logs.cloudwatch import Line, Stream

T = TypeVar("T")

#: Seconds after which the page gets the lines that were read so far. It must get them within 5 s; the rest is for
#: imports and for formatting.
PATIENCE = 4.5
#: Seconds to connect, and to read: at most two calls of that length go on after PATIENCE, on a thread of their
#: own. And how many connections a client keeps for pages that are read at the same time; more work, too.
LIMITS = {"connect_timeout": 2.0, "read_timeout": 3.0, "max_pool_connections": 10}
#: Pages of a megabyte or 10,000 lines from the beginning. Of a longer log, the last lines are shown as well.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
MAX_PAGES = 10
LAST_LINES = 1000
#: For how many ECS tasks the log stream is cached.
MAX_ECS_TASKS = 200
#: The states of an ECS task before its containers run.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
NOT_STARTED = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})


@dataclass(eq=False)
class RunningLog:
    """
    Reads the logs of the main containers of running ECS tasks, in an API server. Any thread may use it.

    It makes clients of its own at the first call, one for each Region, by the options ``conn_id`` and
    ``endpoint_url``. The ARN contains the Region and the cluster, so no other option is needed.

    :param option: returns the text of an option.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session.
    :param mask: masks the secrets that Airflow knows.
    :param structured: whether Airflow expects a line as JSON with its time.
    :param clock: monotonic, in seconds.
    """

    option: Callable[[str], str | None]
    session_maker: Callable[[str | None, str | None], Callable[[], Any]]
    mask: Callable[[str], str]
    structured: bool
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._format = _as_json if self.structured else _as_text
        self._ecs = lru_cache(lambda region: Ecs(partial(self._make_client, "ecs", region)))
        describe_logs = lambda arn: self._ecs(arn.split(":")[3]).describe_logs(arn)
        self._reader = LogReader(describe_logs, partial(self._make_client, "logs"))
        self._stream = lru_cache(maxsize=MAX_ECS_TASKS)(self._find_stream)

    def read(self, external_executor_id: str | None) -> tuple[list[str], Generator[str, None, None]]:
        """
        Return the sources of the lines, and the lines: all within :data:`PATIENCE` from now on.

        A page is read when its first line is asked for, so only one page is in memory.

        :param external_executor_id: the ECS task's ARN; before it is stored, None or an id of Airflow's.
        """
        arn = external_executor_id or ""
        if region(arn) is None:
            source = "Fargate: Airflow has not stored yet which ECS task runs this try."
            return [source], (line for line in [f"{source} Look again in a moment."])
        sources = [whereabouts(arn)]
        pages = self._in_time(self._pages(arn, sources), self.clock() + PATIENCE)
        first = next(pages)  # Finds the log stream, which is one of the sources.
        return [*sources], (line for page in chain([first], pages) for line in page)

    def _in_time(self, pages: Iterator[list[str] | str], until: float) -> Iterator[list[str]]:
        """Yield the pages that come in time, and last the reason if there are more."""
        further, problem = "", f"not all of it was read within {PATIENCE:g} seconds"
        while (left := until - self.clock()) > 0:
            page = _within(left, lambda: next(pages, ""))
            if not isinstance(page, list):
                problem = problem if page is None else page
                break
            further = further or (" further" if page else "")
            yield page
        if problem:
            # Airflow collapses the sources, so the reason is shown as a line.
            yield [f"The container's log cannot be shown{further}: {problem}."]

    def _pages(self, arn: str, sources: list[str]) -> Iterator[list[str] | str]:
        """Yield an empty page once the log stream is a source, then the log's pages, and last why there are no more."""
        try:
            stream = self._stream(arn)
            link = log_link(arn, stream.region, stream.group, stream.name)
            lossy = "; its driver may drop lines (mode non-blocking)" if stream.lossy else ""
            place = f"CloudWatch log group {stream.group}, stream {stream.name}{lossy}"
            sources.append(f"{place}: {link}" if link else place)
            yield []
            for number, page in enumerate(self._reader.pages(stream), 1):
                if number > MAX_PAGES and page:
                    last = self._reader.last(stream, LAST_LINES)
                    yield [f"(The log is longer than this. Its last {len(last)} lines:)", *self._lines(last)]
                    break
                yield self._lines(page)
        except LogError as error:
            # Only then: making clients costs processor time, and each open page would do it.
            if error.verdict is Verdict.CREDENTIALS:
                self._ecs.cache_clear()
                self._reader.renew()
            yield str(error)
        except Exception as error:
            # A bug here or in a library: the page shows its type instead of failing.
            yield f"{type(error).__name__} in the executor"

    def _lines(self, page: Sequence[Line]) -> list[str]:
        # All lines at once, as masking costs time.
        texts = self._masked("\n".join(line.text for line in page)).split("\n")
        if len(texts) != len(page):
            # An event or a secret has several lines, so each event is masked by itself.
            texts = [self._masked(line.text).replace("\n", " ") for line in page]
        return [self._format(line.timestamp, text) for line, text in zip(page, texts)]

    def _masked(self, text: str) -> str:
        return self.mask(without_tokens(text))

    def _find_stream(self, arn: str) -> Stream:
        """
        Ask AWS for the log stream of an ECS task's main container.

        :raises LogError: if it has not started, was not launched by this executor, or has no log that can be
            read.
        """
        call = lambda: self._ecs(region(arn) or "").describe_tasks(cluster_name(arn), [arn])
        tasks = call_aws("ecs:DescribeTasks", call).tasks
        if not tasks:
            raise LogError("AWS does not know the ECS task: it is too new, or too old")
        task = tasks[0]
        if task.last_status in NOT_STARTED:
            raise LogError(f"the container has not started yet ({task.last_status})")
        if task.identity is None:
            raise LogError("the ECS task was not launched by this executor: it does not name its launch")
        return self._reader.stream(task.task_definition, task.identity.container_name, arn)

    def _make_client(self, service: str, in_region: str) -> Any:
        texts = [(self.option(name) or "").strip() or None for name in ("conn_id", "endpoint_url")]
        session = self.session_maker(texts[0], in_region)()
        return make_client(session, service, region=in_region, endpoint_url=texts[1], **LIMITS)


def _as_json(timestamp: int, text: str) -> str:
    """Return a line as Airflow 3 reads it. The lines of its supervisor have that form already."""
    with suppress(ValueError, RecursionError):
        if text.startswith("{") and "event" in json.loads(text):
            return text
    return json.dumps({"timestamp": _moment(timestamp).isoformat(), "event": text}, ensure_ascii=False)


def _as_text(timestamp: int, text: str) -> str:
    """Return a line as Airflow 2 reads it: after its time, by which Airflow sorts lines."""
    moment = _moment(timestamp).isoformat(timespec="milliseconds")
    return text if text.startswith("[2") else f"[{moment}] {text}"


def _moment(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp / 1000, UTC)


def _within(patience: float, function: Callable[[], T]) -> T | None:
    """Return what a function returns on a thread of its own, as it may hang in a call; None after ``patience`` s."""
    results: list[T] = []
    target = lambda: results.append(function())
    thread = threading.Thread(target=target, name=f"{THREAD_NAMES}running-log", daemon=True)
    thread.start()
    thread.join(patience)
    return results[0] if results else None

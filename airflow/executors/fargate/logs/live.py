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
What the UI shows of a container that runs: its lines in CloudWatch Logs, or why there are none.

The API server (the webserver of Airflow 2) asks, which has an instance of the executor that was never started. Whoever
looks at the page asks every few seconds: what is known of a container is kept, so that only its lines are asked for.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import TASK_ARN, log_link, region, whereabouts
from airflow.executors.fargate.aws.clients import THREAD_NAMES, make_client
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.launch import Identity
from airflow.executors.fargate.logs.cloudwatch import LogError, LogLater, LogReader, told, without_tokens

if TYPE_CHECKING:
    from airflow.executors.fargate.logs.cloudwatch import Line, Stream

#: Seconds after which the page gets what there is by then. The page has its answer within five: the rest is for what
#: comes before, such as the first import of this module, and after, when the lines are put together.
PATIENCE = 4.5
#: Seconds to connect, and to read; two calls of that length at most go on after PATIENCE, on a thread of their own.
TIMEOUTS = 2.0, 3.0
#: Of how many Regions clients are kept.
MAX_REGIONS = 8
#: How many connections a client keeps for those who look at logs at the same time; more than that work, too.
CONNECTIONS = 10
#: Pages of a megabyte or 10,000 lines from the beginning; of what is longer the last lines are shown as well.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
MAX_PAGES = 10
LAST_LINES = 1000
#: How many containers are remembered.
MAX_CONTAINERS = 200
#: The states before a container runs.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
NOT_STARTED = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})


@dataclass
class _Progress:
    """What has been read so far; the thread that reads adds to it, and whoever waits takes it as it is."""

    sources: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    problem: str | None = None
    done: bool = False


class RunningLog:
    """
    Reads the logs of containers that run; any thread may use it.

    :param reader: reads logs.
    :param describe_tasks: calls DescribeTasks: Region, cluster, ARN to the response.
    :param renew: lets the next calls use new clients, and new credentials.
    :param mask: takes secrets out of a text.
    :param structured: whether Airflow reads lines as JSON, with a time of their own.
    :param clock: seconds, never going backwards.
    :param attend: runs a function, and waits for it so many seconds at most.
    """

    def __init__(
        self,
        reader: LogReader,
        describe_tasks: Callable[[str, str, str], Mapping[str, Any]],
        *,
        renew: Callable[[], None],
        mask: Callable[[str], str],
        structured: bool,
        clock: Callable[[], float] = time.monotonic,
        attend: Callable[[Callable[[], None], float], None] | None = None,
    ) -> None:
        self._reader = reader
        self._describe_tasks = describe_tasks
        self._renew = renew
        self._mask = mask
        self._line = _as_json if structured else _as_text
        self._clock = clock
        self._attend = attend or _attend
        self._streams: dict[str, Stream] = {}

    def read(self, external_executor_id: str | None) -> tuple[list[str], list[str]]:
        """
        Return where the lines are from, and the lines, within :data:`PATIENCE`.

        :param external_executor_id: the container's ARN; before that is stored, nothing or Airflow's id of the launch.
        """
        arn = external_executor_id or ""
        if region(arn) is None:
            source = "Fargate: Airflow has not stored yet which container runs this try."
            return [source], [f"{source} Look again in a moment."]
        progress = _Progress([whereabouts(arn)])
        until = self._clock() + PATIENCE
        self._attend(lambda: self._read(arn, progress, until), PATIENCE)
        sources, lines, problem = list(progress.sources), list(progress.lines), progress.problem
        if problem is None and not progress.done:
            problem = f"AWS has not told all of it within {PATIENCE:g} seconds"
        if problem is not None:
            text = f"The container's log cannot be shown{' further' if lines else ''}: {problem}."
            # Airflow folds sources away, so the reason stands where the lines would be.
            lines.append(text)
        return sources, lines

    def _read(self, arn: str, progress: _Progress, until: float) -> None:
        try:
            stream = self._stream(arn)
            link = log_link(arn, stream.region, stream.group, stream.name)
            lossy = "; its driver may leave out lines (mode non-blocking)" if stream.lossy else ""
            place = f"CloudWatch log group {stream.group}, stream {stream.name}{lossy}"
            progress.sources.append(f"{place}: {link}" if link else place)
            for number, page in enumerate(self._reader.pages(stream), 1):
                self._add(progress, page)
                if self._clock() >= until:
                    return
                if number == MAX_PAGES:
                    last = self._reader.last(stream, LAST_LINES)
                    progress.lines.append(f"(The log is longer than this. Its last {len(last)} lines:)")
                    self._add(progress, last)
                    break
            progress.done = True
        except LogLater as error:
            progress.problem = str(error)
            # For nothing else: to make clients takes the API server's processor, and all who look would do so.
            if error.verdict is Verdict.CREDENTIALS:
                self._renew()
        except LogError as error:
            progress.problem = str(error)
        except Exception as error:
            # A bug of ours, or of a library: whoever looks at a log gets a word of it, and not a page of errors.
            progress.problem = f"{type(error).__name__} in the executor"

    def _add(self, progress: _Progress, page: Sequence[Line]) -> None:
        if page:
            # All at once: to look for secrets in a text takes its time.
            texts = self._masked("\n".join(line.text for line in page)).split("\n")
            if len(texts) != len(page):
                # An event, or a secret, has several lines: what belongs together is masked together.
                texts = [self._masked(line.text).replace("\n", " ") for line in page]
            pairs = zip(page, texts)
            progress.lines.extend(self._line(line.timestamp, text) for line, text in pairs)

    def _masked(self, text: str) -> str:
        return self._mask(without_tokens(text))

    def _stream(self, arn: str) -> Stream:
        known = self._streams.get(arn)
        if known is None:
            known = self._ask(arn)
            if len(self._streams) >= MAX_CONTAINERS:
                self._streams.clear()
            self._streams[arn] = known
        return known

    def _ask(self, arn: str) -> Stream:
        """
        Ask AWS where a container writes to.

        :raises LogError: where it has not started, is none of this executor's, or writes to no log that can be read.
        """
        parts = TASK_ARN.fullmatch(arn)
        if parts is None:
            raise LogError(f"{arn} is no container's ARN")
        cluster = parts["cluster"] or "default"
        response = told("ecs:DescribeTasks", lambda: self._describe_tasks(parts["region"], cluster, arn))
        tasks = response.get("tasks") or ()
        if not tasks:
            raise LogError("AWS does not know the container: it is too new, or too old")
        (task,) = tasks[:1]
        if task.get("lastStatus") in NOT_STARTED:
            raise LogError(f"the container has not started yet ({task['lastStatus']})")
        identity = Identity.of(task)
        if identity is None:
            raise LogError(
                "the container does not say which launch it is for, so it is not one of this executor's"
            )
        return self._reader.stream(str(task.get("taskDefinitionArn")), identity.container_name, arn)


def _as_json(timestamp: int, text: str) -> str:
    """Return a line as Airflow 3 reads it; what its own supervisor writes is that already."""
    if text.startswith("{"):
        try:
            if "event" in json.loads(text):
                return text
        except (ValueError, RecursionError):
            pass
    return json.dumps({"timestamp": _moment(timestamp).isoformat(), "event": text}, ensure_ascii=False)


def _as_text(timestamp: int, text: str) -> str:
    """Return a line as Airflow 2 reads it: with a time before it, by which lines are put in order."""
    return (
        text if text.startswith("[2") else f"[{_moment(timestamp).isoformat(timespec='milliseconds')}] {text}"
    )


def _moment(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp / 1000, timezone.utc)


def _attend(function: Callable[[], None], patience: float) -> None:
    """Run a function on a thread of its own, and wait for it as long as that: it may hang in a call."""
    thread = threading.Thread(target=function, name=f"{THREAD_NAMES}running-log", daemon=True)
    thread.start()
    thread.join(patience)


def running_log(
    option: Callable[[str], str | None],
    session_maker: Callable[[str | None, str | None], Callable[[], Any]],
    mask: Callable[[str], str],
    structured: bool,
) -> RunningLog:
    """
    Return what reads the logs of containers that run, for an API server that has none of the scheduler's clients.

    :param option: returns the text of an option.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session.
    :param mask: takes secrets out of a text.
    :param structured: whether Airflow reads lines as JSON, with a time of their own.
    """
    clients = _Clients(option, session_maker)
    return RunningLog(
        clients.reader, clients.describe_tasks, renew=clients.renew, mask=mask, structured=structured
    )


class _Clients:
    """
    The clients of an API server, made for each Region where it is asked for first; any thread may use them.

    Of the options only ``conn_id`` and ``endpoint_url`` matter, all else stands in a container's ARN: so a log can be
    read where no other option is set.

    :param option: returns the text of an option.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session.
    """

    def __init__(
        self,
        option: Callable[[str], str | None],
        session_maker: Callable[[str | None, str | None], Callable[[], Any]],
    ) -> None:
        self._option = option
        self._session_maker = session_maker
        self._ecs = lru_cache(maxsize=MAX_REGIONS)(partial(self._make, "ecs"))
        self.reader = LogReader(self._describe_definition, partial(self._make, "logs"))

    def describe_tasks(self, region: str, cluster: str, arn: str) -> Any:
        """Call DescribeTasks for a container."""
        return self._ecs(region).describe_tasks(cluster=cluster, tasks=[arn])

    def renew(self) -> None:
        """Let the next calls make new clients, with the credentials that there are then."""
        self._ecs.cache_clear()
        self.reader.renew()

    def _describe_definition(self, arn: str) -> Any:
        return self._ecs(arn.split(":")[3]).describe_task_definition(taskDefinition=arn)

    def _make(self, service: str, region: str) -> Any:
        return make_client(
            self._session_maker(self._text_of("conn_id"), region)(),
            service,
            connections=CONNECTIONS,
            region=region,
            # The option's endpoint is of ECS alone.
            endpoint_url=self._text_of("endpoint_url") if service == "ecs" else None,
            timeouts=TIMEOUTS,
        )

    def _text_of(self, name: str) -> str | None:
        return (self._option(name) or "").strip() or None

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
"""Copies the log streams of a try's ECS tasks from CloudWatch, and asks ECS what the notes do not say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import cluster_name, definition_arn, region
from airflow.executors.fargate.aws.clients import make_client
from airflow.executors.fargate.aws.ecs import Ecs
from airflow.executors.fargate.aws.outcome import classify_ecs_task
from airflow.executors.fargate.aws.verdict import Verdict
from airflow.executors.fargate.logs.cloudwatch import (
    Line,
    LogError,
    LogReader,
    Stream,
    call_aws,
    without_tokens,
)
from airflow.executors.fargate.logs.copies import MAX_TRY_BYTES, StreamCopy, TryCopy

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.answers import EcsTask
    from airflow.executors.fargate.logs.lines import JsonForm, Record, TextForm
    from airflow.executors.fargate.logs.tries import TriedEcsTask, Try

#: Seconds to connect, and to read: at most two calls of that length go on after a page has got its answer, on a
#: thread of their own. And how many connections a client keeps for pages that are read at the same time.
LIMITS = {"connect_timeout": 2.0, "read_timeout": 3.0, "max_pool_connections": 10}
#: The states of an ECS task before its containers run.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
NOT_STARTED = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})
#: Milliseconds, an hour less than the 24 hours that a token of GetLogEvents is valid.
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
TOKEN_LIFE = 23 * 3_600_000
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
FORGOTTEN = "AWS describes an ECS task for an hour after its end only"


@dataclass(eq=False)
class LogFetcher:
    """
    Makes the calls. Any thread may use it.

    It makes clients of its own at the first call, one for each Region, by the options ``conn_id`` and
    ``endpoint_url``. The ARN contains the Region and the cluster.

    :param option: returns the text of an option.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session.
    :param mask: masks the secrets that Airflow knows.
    :param form: of lines.
    """

    option: Callable[[str], str | None]
    session_maker: Callable[[str | None, str | None], Callable[[], Any]]
    mask: Callable[[str], str]
    form: JsonForm | TextForm

    def __post_init__(self) -> None:
        self._ecs = lru_cache(lambda region: Ecs(partial(self._make_client, "ecs", region)))
        describe_logs = lambda arn: self._ecs(arn.split(":")[3]).describe_logs(arn)
        self._reader = LogReader(describe_logs, partial(self._make_client, "logs"))

    def fetch(self, of: Try, ecs_tasks: Sequence[TriedEcsTask], copy: TryCopy, now: float) -> None:
        """
        Copy what the log streams have that the copy does not have. What cannot be had is a problem of its stream.

        :param now: milliseconds since the epoch.
        """
        with copy.lock:
            for one in ecs_tasks:
                stream = copy.stream(one.noted.arn)
                if not stream.is_final:
                    self._fetch_stream(one, copy, stream, now, is_past=of.is_past(one, now))

    def _fetch_stream(
        self, one: TriedEcsTask, copy: TryCopy, stream: StreamCopy, now: float, *, is_past: bool
    ) -> None:
        try:
            stream.source = stream.source or self._find(one, stream)
            self._copy(copy, stream, stream.source, now)
            stream.problem, stream.is_missing, stream.caught_up, stream.is_final = "", False, True, is_past
        except LogError as error:
            # Only then: making clients costs processor time, and each open page would do it.
            if error.verdict is Verdict.CREDENTIALS:
                self._ecs.cache_clear()
                self._reader.renew()
            stream.is_missing = is_missing = error.verdict is Verdict.MISSING
            stream.problem = (is_missing and not is_past and self._not_started(one)) or str(error)
            # What comes later comes after all that was there: nothing, or what cannot be read for long.
            stream.caught_up = stream.caught_up or is_missing or error.verdict is Verdict.FAILED
            stream.is_final = is_past and is_missing
        except OSError as error:
            stream.problem = f"what was read of it cannot be kept in a temporary file ({error})"
        except Exception as error:
            # A bug here or in a library: the page shows its type instead of failing.
            stream.problem = f"{type(error).__name__} in the executor"

    def _copy(self, copy: TryCopy, stream: StreamCopy, source: Stream, now: float) -> None:
        if now - stream.token_at > TOKEN_LIFE:
            stream.restart()
        for page in self._reader.pages(source, stream.token):
            if page.lines and copy.is_full:
                raise LogError(
                    f"only its first {MAX_TRY_BYTES >> 20} MB are shown here; open it in CloudWatch"
                )
            copy.append(stream, self._records(page.lines))
            stream.token, stream.token_at = page.token, now

    def _records(self, page: Sequence[Line]) -> list[Record]:
        # All lines at once, as masking costs time.
        texts = self._masked("\n".join(line.text for line in page)).split("\n")
        if len(texts) != len(page):
            # An event or a secret has several lines, so each event is masked by itself.
            texts = [self._masked(line.text).replace("\n", " ") for line in page]
        return [self.form.line(line.timestamp, line.ingested, text) for line, text in zip(page, texts)]

    def _masked(self, text: str) -> str:
        return self.mask(without_tokens(text))

    def _find(self, one: TriedEcsTask, stream: StreamCopy) -> Stream:
        """
        Return the log stream of an ECS task's main container: by the note, by AWS, or by the options.

        :raises LogError: if it is not known, or cannot be read.
        """
        arn, definition, container = one.noted
        if not (definition and container):
            task = self._describe(arn)
            if task is None:
                definition, container = (
                    self._text_of(name) for name in ("task_definition", "container_name")
                )
                if not (definition and container):
                    raise LogError(f"where it is is not known: {FORGOTTEN}")
                stream.remark = (
                    f"; a guess by [fargate] task_definition = {definition} and container_name = {container}, as "
                    f"{FORGOTTEN}"
                )
            elif task.last_status in NOT_STARTED:
                raise LogError(f"the container has not started yet ({task.last_status})", Verdict.MISSING)
            elif task.identity is None:
                raise LogError("the ECS task was not launched by this executor: it does not name its launch")
            else:
                definition, container = task.task_definition, task.identity.container_name
        return self._reader.stream(definition_arn(definition, arn), container, arn)

    def _describe(self, arn: str) -> EcsTask | None:
        """Return what AWS says of an ECS task; None if it does not know it."""
        call = lambda: self._ecs(region(arn) or "").describe_tasks(cluster_name(arn), [arn])
        tasks = call_aws("ecs:DescribeTasks", call).tasks
        return tasks[0] if tasks else None

    def _not_started(self, one: TriedEcsTask) -> str:
        """Return that the container has not started yet; empty if it has, or that is not known."""
        try:
            task = self._describe(one.noted.arn)
        except LogError:
            return ""
        if task is None or task.last_status not in NOT_STARTED:
            return ""
        return f"the container has not started yet ({task.last_status})"

    def explain(self, one: TriedEcsTask) -> str:
        """Return why a try failed of whose end there is no note; empty if its ECS task did not."""
        try:
            task = self._describe(one.noted.arn)
        except Exception as error:
            reason = str(error) if isinstance(error, LogError) else type(error).__name__
        else:
            if task is not None:
                container = one.noted.container or (task.identity.container_name if task.identity else "")
                outcome = classify_ecs_task(task, container)
                return outcome.reason or outcome.note
            reason = FORGOTTEN
        return (
            f"The executor noted no reason for the end of the ECS task, and AWS was asked in vain: {reason}."
        )

    def _text_of(self, option: str) -> str:
        return (self.option(option) or "").strip()

    def _make_client(self, service: str, in_region: str) -> Any:
        conn_id, endpoint_url = (self._text_of(name) or None for name in ("conn_id", "endpoint_url"))
        session = self.session_maker(conn_id, in_region)()
        return make_client(session, service, region=in_region, endpoint_url=endpoint_url, **LIMITS)

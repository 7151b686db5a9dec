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
Gives Airflow the log of a try: what its database knows of the try, and what reads the lines, a reader for each team.

The API server (the webserver of Airflow 2) calls it, for a page that shows a log.
"""

from __future__ import annotations

import threading
import weakref
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.executors.fargate.aws.arns import ecs_task_id, region
from airflow.executors.fargate.bridge import AIRFLOW, sessions, settings
from airflow.executors.fargate.bridge.notes_table import notes_of
from airflow.executors.fargate.logs.fetching import LogFetcher
from airflow.executors.fargate.logs.lines import JsonForm, TextForm
from airflow.executors.fargate.logs.live import TryLogs
from airflow.executors.fargate.logs.tries import Note, Try
from airflow.utils.session import create_session
from airflow.utils.state import State, TaskInstanceState

if TYPE_CHECKING:
    from collections.abc import Sequence

#: States of a try that does not go on, although the task instance does.
ENDED = State.finished | {TaskInstanceState.UP_FOR_RETRY}
FAILED = frozenset({TaskInstanceState.FAILED, TaskInstanceState.UP_FOR_RETRY})
#: States in which Airflow's page asks for the lines that follow those that it has.
POLLED = frozenset({TaskInstanceState.RUNNING, TaskInstanceState.DEFERRED})

#: The executor's class.
NAME = "FargateExecutor"

#: Which task instance a remote log has served last on this thread.
_served = threading.local()


def try_of(ti: Any, try_number: int) -> Try:
    """
    Return a try as Airflow's database has it.

    :param ti: the row of the task instance, or of its history. Its state may be that of a later try (2.11).
    """
    is_current = ti.try_number == try_number
    state, end = (ti.state, ti.end_date) if is_current else (None, None)
    has_ended = not is_current or state in ENDED
    noted = _notes_on(ti, try_number)
    uuid = str(ti.id) if AIRFLOW.has_uuids else None
    return Try(
        (ti.dag_id, ti.task_id, ti.run_id, ti.map_index, try_number, uuid),
        noted,
        _own_external_id(ti, noted, has_ended) if is_current else None,
        is_polled=state in POLLED,
        has_ended=has_ended,
        ended_at=int(end.timestamp() * 1000) if has_ended and end else None,
        has_failed=state in FAILED,
    )


def _own_external_id(ti: Any, noted: Sequence[Note], has_ended: bool) -> str | None:
    """
    Return the ARN in ``external_executor_id``.

    :return: None if it is none, may be an earlier try's, since up to 3.1 Airflow does not clear it, or may be another
        executor's: that of the Amazon provider has ECS tasks, too.
    """
    if not region(arn := ti.external_executor_id or ""):
        return None
    is_noted = any(ecs_task_id(arn) in note.text for note in noted)
    were_removed = has_ended and not noted
    is_of_try = AIRFLOW.assigns_ids or is_noted or were_removed
    return arn if is_of_try and (noted or _may_run_here(ti)) else None


def _may_run_here(ti: Any) -> bool:
    """Tell whether this executor is the one of a task instance; with several teams, whether it is for any of them."""
    from airflow.executors.executor_loader import ExecutorLoader

    executors: Any = ExecutorLoader.get_executor_names()
    if ti.executor:
        named = [(one, (one.alias, one.module_path, one.module_path.rpartition(".")[2])) for one in executors]
        own = [one for one, names in named if ti.executor in names]
    else:
        # Each team's first one.
        own = list({getattr(one, "team_name", None): one for one in reversed(executors)}.values())
    # By its name, as it imports this module. One of a deployment's own may derive from it.
    classes = [base for one in own for base in ExecutorLoader.import_executor_cls(one)[0].__mro__]
    return any(one.__name__ == NAME for one in classes)


def _notes_on(ti: Any, try_number: int) -> list[Note]:
    """Return the executor's notes on a try, the oldest first."""
    # Only 2.11 asks for another try than the row's, and there coordinates identify a try.
    of = ti if ti.try_number == try_number else ti.key.with_try_number(try_number)
    with create_session() as session:
        return [Note(int(one.dttm.timestamp() * 1000), one.event, one.text) for one in notes_of(of, session)]


def logs_of_dag(dag_id: str) -> TryLogs:
    """Return what reads the logs of a Dag's tries, with the options of the Dag's team."""
    team = None
    if conf.getboolean("core", "multi_team", fallback=False):
        from airflow.models.dag import DagModel

        find: Any = DagModel
        team = find.get_team_name(dag_id)
    return logs_of_team(team)


@cache
def logs_of_team(team: str | None) -> TryLogs:
    """Return what reads the logs of a team's tries; None for an Airflow without teams."""
    executor: Any = None
    if team is not None:
        from airflow.executors import base_executor

        executor = SimpleNamespace(conf=getattr(base_executor, "ExecutorConf")(team))
    session_maker = partial(sessions.session_maker, team_name=team)
    form = JsonForm() if AIRFLOW.has_json_logs else TextForm()
    return TryLogs(LogFetcher(settings.option_reader(executor), session_maker, AIRFLOW.mask_secrets, form))


def mark_as_served(ti: Any) -> None:
    """Remember that a remote log has given Airflow the lines of a task instance, which the executor gives no more."""
    _served.ti = weakref.ref(ti)


def was_served(ti: Any) -> bool:
    """Tell whether that was done for the same object, on the same thread."""
    return getattr(_served, "ti", lambda: None)() is ti

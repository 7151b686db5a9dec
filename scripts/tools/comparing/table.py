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
"""The table: each cell is made of what was measured, in the same words for each executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import shorten
from typing import Any

from tools.benchmarking.scenarios import INCUMBENT, OURS
from tools.comparing.rows import LAUNCHES, ROWS, SERVICES, WITH_CLOUDWATCH, Row

HEAD = ("What happens", "FargateExecutor", "AwsEcsExecutor")
#: What both have, and what each has of its own.
ALIKE = (
    "Both have the same Dags, without retries, the same task definitions and Airflow settings (a scheduler counts as "
    "gone after 6 s); of their own options each has its defaults. FargateExecutor has the `logging_config_class` of its "
    "quick start."
)
#: Characters of a reason that a cell quotes; compared.json has more of it.
QUOTED = 110
#: What is different each time, or in words: the rest is the outcome, which is the same on each service.
NOT_THE_OUTCOME = {"seconds", "reason", "in_audit_log", "unreadable", "page_ends", "patience"}
#: What precedes the words about a further set-up of the same executor.
FURTHER = {WITH_CLOUDWATCH: "With remote logging to CloudWatch: "}
Measured = Mapping[str, Any]


def cells(content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the rows below :data:`HEAD`, of those that were measured."""
    return [_row(row, content["rows"][row.name]) for row in ROWS if row.name in content["rows"]]


def _row(row: Row, measured: Mapping[str, Measured]) -> tuple[str, str, str]:
    say = SAID[row.name]
    ours, incumbent = (say(measured[setup]) if setup in measured else "" for setup in (OURS, INCUMBENT))
    further = [f"{words}{say(measured[setup])}" for setup, words in FURTHER.items() if setup in measured]
    return row.title, ours, ". ".join(filter(None, [incumbent, *further]))


def _failure(measured: Measured) -> str:
    """Of a task that fails."""
    return f"{_ecs_tasks(measured)}, {_known(measured)}. {_reason(measured)}"


def _known(measured: Measured) -> str:
    if measured["seconds"] is None:
        return f"still {measured['state']} after {measured['patience']} s"
    return f"{measured['state']} after {_seconds(measured['seconds'])}"


def _ecs_tasks(measured: Measured) -> str:
    return f"{_count(measured['ecs_tasks'], 'ECS task')} launched"


def _reason(measured: Measured) -> str:
    if measured["reason"]:
        return f"The log says: “{shorten(measured['reason'], QUOTED, placeholder=' …')}”"
    if measured["in_audit_log"]:
        return f"The audit log has the reason, the log has none{_unreadable(measured)}"
    return f"Neither the log nor the audit log has a reason{_unreadable(measured)}"


def _unreadable(measured: Measured) -> str:
    return f" (“{measured['unreadable']}”)" if measured["unreadable"] else ""


def _sidecar(measured: Measured) -> str:
    state = str(measured["state"]).capitalize()
    return f"{state}, {_ecs_tasks(measured)}, the code ran {_times(measured['code_ran'])}"


def _log(measured: Measured) -> str:
    lines = measured["lines"]
    twice = f"; {measured['twice']} shown twice" if measured["twice"] else ""
    return (
        f"{measured['while_running']} of {lines} lines while it runs, {measured['afterwards']} afterwards"
        f"{twice}{_unreadable(measured)}"
    )


def _scheduler(measured: Measured) -> str:
    told = {
        f"{measured['failed']} failed": measured["failed"],
        f"{measured['not_ended']} did not end": measured["not_ended"],
        f"{measured['launched_twice']} launched twice": measured["launched_twice"],
        f"the code of {measured['ran_twice']} ran twice": measured["ran_twice"],
    }
    happened = [words for words, count in told.items() if count]
    return ", ".join(
        [f"{measured['succeeded']} of {measured['instances']} succeeded", *(happened or ["each ran once"])]
    )


def _launches(measured: Measured) -> str:
    return (
        f"All accepted after {_seconds(measured['accepted'])}, longest heartbeat "
        f"{_seconds(measured['longest'] / 1000)}"
    )


def _seconds(value: float) -> str:
    """Return a time as precisely as it is measured: a task's state is looked at twice a second."""
    return f"{value:.0f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


SAID: Mapping[str, Callable[[Measured], str]] = {
    "killed": _failure,
    "image": _failure,
    "sidecar": _sidecar,
    "log": _log,
    "scheduler": _scheduler,
    LAUNCHES: _launches,
}


def caption(content: Mapping[str, Any]) -> str:
    """Return the line on where and when it was measured, with which versions."""
    versions = ", ".join(f"{name} {version}" for name, version in content["packages"].items())
    return f"Measured on {content['on']} ({content['date']}, {versions}):"


def notes(content: Mapping[str, Any]) -> str:
    """Return what is alike for both, and where the launches were measured."""
    launches = content["rows"].get(LAUNCHES, {})
    if "airflow" not in launches.get(OURS, {}):
        return ALIKE
    measured_on = launches[OURS]["airflow"]
    return f"{ALIKE} The figures of the 1,000 tasks are docs/reviewing/performance.json's (Airflow {measured_on})."


def markdown(compared: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what README.md has: the table of the first service, what is otherwise on the others, and the notes."""
    first, *others = [compared[service] for service in SERVICES if service in compared]
    parts = [
        _markdown(first, cells(first)),
        *(_elsewhere(content, first) for content in others),
        notes(first),
    ]
    return "\n".join([*parts, ""])


def _elsewhere(content: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    """Name the rows with the same outcome as on the first service; a table has the others."""
    same = [
        row
        for row in ROWS
        if row.name in content["rows"] and _outcomes(content, row) == _outcomes(first, row)
    ]
    titles = "; ".join(f"*{row.title}*" for row in same)
    text = (
        f"The outcomes on {content['on']} ({content['date']}) are the same in these rows: {titles}.\n"
        if same
        else ""
    )
    rest = {name: row for name, row in content["rows"].items() if name not in {row.name for row in same}}
    return text + (_markdown(content, cells({**content, "rows": rest})) if rest else "")


def _outcomes(content: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """Return what happened to each executor, without times; whether there is a reason is a part of it."""
    return {
        setup: {name: value for name, value in measured.items() if name not in NOT_THE_OUTCOME}
        | {"has_reason": bool(measured.get("reason"))}
        for setup, measured in content["rows"][row.name].items()
        if setup in (OURS, INCUMBENT)
    }


def _markdown(content: Mapping[str, Any], shown: list[tuple[str, str, str]]) -> str:
    rows = [HEAD, *shown]
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([caption(content), "", lines[0], "|---|---|---|", *lines[1:], ""])

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
"""The report of a run as a page for people, in one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from tools.aws.verifying.cost import PHASES

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color-scheme: light dark }
table { border-collapse: collapse; margin: .5em 0 1.5em } caption { text-align: left; font-weight: 600 }
th, td { border: 1px solid #8886; padding: .3em .6em; text-align: left; vertical-align: top }
pre { overflow-x: auto; border: 1px solid #8886; padding: .6em }
p.bad, .bad td:nth-child(5) { background: #d334 } .good td:nth-child(5) { background: #3a34 }
"""
#: The verdicts that the page marks, as those that are good; any other but ``NEUTRAL`` is marked as bad.
MARKED, NEUTRAL = ("as expected", "answered"), ("not provoked",)


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report."""
    title = f"FargateExecutor on AWS: {report['deployment']}, {report['region']}, {report['began'][:10]}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _summary(report),
        _failure(report),
        "<h2>Trials</h2>",
        _trials(report["trials"]),
        "<h2>Times and costs</h2>",
        _times(report["trials"], report["cost"]),
        "<h2>Details</h2>",
        *(_details(row) for row in report["trials"] if row.get("details")),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        + "\n".join(filter(None, parts))
        + "\n</html>\n"
    )


def _summary(report: Mapping[str, Any]) -> str:
    verdicts = [row["verdict"] for row in report["trials"]]
    counts = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    facts = {
        "Trials": ", ".join(f"{count} {verdict}" for verdict, count in counts.items()),
        "From, to": f"{report['began']}, {report['ended']}",
        "Region": report["region"],
        **{name.capitalize(): value for name, value in report["versions"].items()},
        "Cost": f"${report['cost']['together']:.2f} ({report['cost']['prices']})",
    }
    return _value(facts)


def _failure(report: Mapping[str, Any]) -> str:
    if not report["failure"]:
        return ""
    lines = escape("\n".join(report["last_lines"]))
    return (
        f'<h2>Not all trials have come</h2>\n<p class="bad">{escape(report["failure"])}</p>\n'
        f"<p>The last lines of the scheduler's log:</p>\n<pre>{lines}</pre>"
    )


def _trials(rows: Iterable[Mapping[str, Any]]) -> str:
    cells = [
        [
            row["trial"],
            row["title"],
            row["expected"],
            row["seen"],
            row["verdict"],
            _seconds(row.get("seconds")),
        ]
        for row in rows
    ]
    return _table(
        ["", "Trial", "Expected", "Seen", "Verdict", "Seconds"], cells, [_class(row[4]) for row in cells]
    )


def _times(rows: Iterable[Mapping[str, Any]], costs: Mapping[str, Any]) -> str:
    cells = [
        [
            row["trial"],
            _first(row),
            str(len(row.get("ecs_tasks", []))),
            *_phase_cells(row),
            f"{row['cost']:.4f}",
        ]
        for row in rows
    ]
    empty = [""] * (len(PHASES) + 2)
    cells.append(["the scheduler's ECS task", *empty, f"{costs['scheduler']:.4f}"])
    cells.append(["together", *empty, f"{costs['together']:.4f}"])
    head = ["Trial", "First accepted at", "ECS tasks", *(f"{name}, s" for name in PHASES), "US$"]
    note = "<p>Seconds of the ECS task in the middle, and of the slowest one.</p>\n"
    return note + _table(head, cells)


def _first(row: Mapping[str, Any]) -> str:
    times = (str(each["createdAt"]) for each in row.get("ecs_tasks", ()) if each.get("createdAt"))
    return min(times, default="")


def _phase_cells(row: Mapping[str, Any]) -> list[str]:
    found = row.get("phases", {})
    return [f"{found[name]['median']}, {found[name]['most']}" if name in found else "" for name in PHASES]


def _details(row: Mapping[str, Any]) -> str:
    return f"<h3>{escape(row['title'])}</h3>\n<p>{escape(row['seen'])}</p>\n{_value(row['details'])}"


def _value(value: Any) -> str:
    """Return whatever JSON can hold: rows of the same names as a table, names and values as a table of two columns."""
    if isinstance(value, Mapping):
        pairs = ((escape(str(name)), _value(each)) for name, each in value.items())
        return _rows(f"<tr><th>{name}</th><td>{cell}</td></tr>" for name, cell in pairs)
    if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        names = list(dict.fromkeys(name for each in value for name in each))
        return _rows(
            [_head(names), *(_cells([_value(each.get(name, "")) for name in names]) for each in value)]
        )
    if isinstance(value, list):
        return ("<br>" if any(isinstance(each, str) for each in value) else ", ").join(map(_value, value))
    return "" if value is None else escape(str(value))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], classes: Sequence[str] = ()) -> str:
    cells = [[escape(str(cell)) for cell in row] for row in rows]
    marks = classes or [""] * len(rows)
    return _rows([_head(head), *(_cells(row, mark) for row, mark in zip(cells, marks))])


def _rows(rows: Iterable[str]) -> str:
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def _head(names: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<th>{escape(str(name))}</th>" for name in names) + "</tr>"


def _cells(cells: Iterable[str], mark: str = "") -> str:
    return f'<tr class="{mark}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _class(verdict: str) -> str:
    return "good" if verdict in MARKED else "" if verdict in NEUTRAL else "bad"


def _seconds(value: Any) -> str:
    return "" if value is None else f"{float(value):.0f}"

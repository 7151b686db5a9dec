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
"""The executor's metrics in Airflow's registry of metrics, from the table in the documentation."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import yaml

from tools.overlay.errors import OverlayError
from tools.overlay.yaml_text import compose, load, member

KINDS = ("counter", "gauge", "timer")
_ROW = re.compile(rf"^``(?P<name>fargate_executor\.\S+)``\s+(?P<kind>{'|'.join(KINDS)})\s+(?P<text>\S.*)$")


@dataclass(frozen=True)
class Metric:
    """
    One row of the table.

    :param kind: one of KINDS
    :param text: what it tells
    """

    name: str
    kind: str
    text: str


def read_metrics(pages: str) -> tuple[Metric, ...]:
    """
    Read the table of metrics in our pages of documentation.

    :raises OverlayError: there is none
    """
    rows = [row for row in map(_ROW.match, pages.splitlines()) if row]
    if not rows:
        raise OverlayError("docs/executor has no table of metrics that can be read")
    return tuple(Metric(row["name"], row["kind"], row["text"].strip()) for row in rows)


def add_metrics(registry: bytes, metrics: tuple[Metric, ...]) -> bytes:
    """
    Return ``metrics_template.yaml`` with our metrics, each after the last of its kind.

    :raises OverlayError: the registry is not a list with metrics of each kind
    """
    nodes = member(compose(registry), "metrics")
    if not isinstance(nodes, yaml.SequenceNode):
        raise OverlayError("metrics is no list")
    text = registry.decode()
    known = load(registry)["metrics"]
    if {metric.name for metric in metrics} & {entry["name"] for entry in known}:
        raise OverlayError("metrics of fargate_executor stand there already, and not by this overlay")
    for kind in _last_first(nodes, known, metrics):
        index = max(i for i, entry in enumerate(known) if entry["type"] == kind)
        end = _end_of(nodes.value[index], text)
        ours = "".join(_entry(metric) for metric in metrics if metric.kind == kind)
        text = text[:end] + ours + text[end:]
    result = text.encode()
    _refuse_other_changes(load(registry), load(result), metrics)
    return result


def _last_first(nodes: yaml.SequenceNode, known: list[dict], metrics: tuple[Metric, ...]) -> list[str]:
    """Kinds in the order in which text can be put in without moving a place that is still to come."""
    kinds = {metric.kind for metric in metrics}
    last = {entry["type"]: i for i, entry in enumerate(known)}
    if not kinds <= last.keys():
        raise OverlayError(f"there is no {', '.join(sorted(kinds - last.keys()))} to follow")
    return sorted(kinds, key=lambda kind: last[kind], reverse=True)


def _end_of(entry: yaml.MappingNode, text: str) -> int:
    """Where the line ends that ends the entry; a mapping's own end mark is behind comments and blank lines."""
    last = entry.value[-1][1].end_mark.index
    end = text.find("\n", last)
    if end < 0 or text[last:end].strip():
        raise OverlayError("an entry of the registry does not end with its line")
    return end + 1


def _entry(metric: Metric) -> str:
    members = {
        "description": json.dumps(metric.text[0].upper() + metric.text[1:], ensure_ascii=False),
        "type": f'"{metric.kind}"',
        "legacy_name": '"-"',
        "name_variables": "[]",
    }
    lines = [f'\n  - name: "{metric.name}"\n', *(f"    {key}: {value}\n" for key, value in members.items())]
    return "".join(lines)


def _refuse_other_changes(before: dict, after: dict, metrics: tuple[Metric, ...]) -> None:
    names = {metric.name for metric in metrics}
    ours = [entry for entry in after["metrics"] if entry["name"] in names]
    others = [entry for entry in after["metrics"] if entry["name"] not in names]
    keys = {key for entry in before["metrics"] for key in entry}
    if others != before["metrics"] or len(ours) != len(metrics) or any(set(e) != keys for e in ours):
        raise OverlayError("the registry's entries are not of the form that ours have")

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
"""The executor's name in the Helm chart's list of executors."""

from __future__ import annotations

import json
import re

from tools.overlay.errors import OverlayError
from tools.overlay.python_source import NAME, only
from tools.overlay.yaml_text import load

# In the schemas that list names, which the newer ones do not.
NEIGHBOUR = "CeleryKubernetesExecutor"
# In the comment of every chart.
IN_COMMENT = "KubernetesExecutor"
# What Airflow's yamllint allows.
LINE_LENGTH = 110


def add_to_schema(schema: bytes) -> bytes:
    """
    Return ``values.schema.json`` with our name among those that ``executor`` may have.

    The list is an ``enum`` in the older charts, and the alternatives of a ``pattern`` in those that take several. The
    newest have a ``pattern`` of any name that ends with Executor: they stay as they are.

    :raises OverlayError: ``executor`` is described in neither way
    """
    text = schema.decode()
    try:
        executor = json.loads(text)["properties"]["executor"]
    except (ValueError, KeyError, TypeError) as error:
        raise OverlayError(f"no schema of the chart that can be read: {error!r}") from error
    if _admits(executor):
        return schema
    edited = _with_member(text, executor) if "enum" in executor else _with_alternative(text, executor)
    _refuse_other_changes(text, edited)
    return edited.encode()


def add_to_values(values: bytes) -> bytes:
    """
    Return ``values.yaml`` with our name at the end of the comment that lists the executors.

    :raises OverlayError: there is no such comment, or more than one
    """
    text = values.decode()
    form = rf"^# One (?:or multiple )?of: (?:.*, )?{IN_COMMENT}(?:, .*)?$"
    comments = list(re.finditer(form, text, re.MULTILINE))
    comment = only(
        comments, f"comment with {IN_COMMENT} that begins with '# One of:' or '# One or multiple of:'"
    )
    head, separator, last = comment.group().rpartition(", ")
    tail = f"{last}, {NAME}"
    if len(head + separator + tail) > LINE_LENGTH:
        tail = f"\n# {tail}"
        separator = separator.rstrip()
    result = (text[: comment.start()] + head + separator + tail + text[comment.end() :]).encode()
    if load(result) != load(values):
        raise OverlayError("the list of executors is more than a comment")
    return result


def _admits(executor: dict) -> bool:
    """Whether the schema takes our name already, by itself and beside another one where it takes several."""
    if "pattern" not in executor:
        return NAME in executor.get("enum", ())
    several = [name for name in (f"{IN_COMMENT},{IN_COMMENT}", f"{IN_COMMENT},{NAME}")]
    takes = [bool(re.search(executor["pattern"], name)) for name in (NAME, *several)]
    return takes[0] and takes[1] == takes[2]


def _with_member(text: str, executor: dict) -> str:
    lists = [
        found
        for found in re.finditer(r"\[[^\[\]{}]*\]", text)
        if NEIGHBOUR in found.group() and json.loads(found.group()) == executor["enum"]
    ]
    place = only(lists, f"list with {NEIGHBOUR}")
    name = only(list(re.finditer(rf'(\s*)"{NEIGHBOUR}"(,?)', place.group())), f"name {NEIGHBOUR}")
    ours = f'{name[1]}"{NEIGHBOUR}",{name[1]}"{NAME}"{name[2]}'
    start = place.start() + name.start()
    return text[:start] + ours + text[start + len(name.group()) :]


def _with_alternative(text: str, executor: dict) -> str:
    pattern = json.dumps(executor.get("pattern", ""))
    if text.count(pattern) != 1 or f"|{NEIGHBOUR}|" not in pattern:
        raise OverlayError(f"executor is neither one of a list nor a pattern with {NEIGHBOUR}")
    return text.replace(pattern, pattern.replace(f"|{NEIGHBOUR}|", f"|{NEIGHBOUR}|{NAME}|"))


def _refuse_other_changes(before: str, after: str) -> None:
    """See that our name is admitted now, that what was admitted still is, and that all else is as it was."""
    old, new = json.loads(before), json.loads(after)
    was, is_now = (schema["properties"].pop("executor") for schema in (old, new))
    admitted = set(is_now.pop("enum", ())) - set(was.pop("enum", ()))
    if "pattern" in was:
        patterns = {"pattern": was.pop("pattern")}, {"pattern": is_now.pop("pattern")}
        if [_admits(pattern) for pattern in patterns] == [False, True]:
            admitted = {NAME}
    if admitted != {NAME} or old != new or was != is_now:
        raise OverlayError(f"the schema of executor does not take {NAME} beside what it has")

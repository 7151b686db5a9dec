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
"""Python files that are read as syntax trees, and edited so that every other byte stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import libcst as cst

from tools.overlay.errors import OverlayError

NAME = "FargateExecutor"

Found = TypeVar("Found")
Item = TypeVar("Item", cst.Element, cst.DictElement, cst.ImportAlias)


def parse(source: bytes) -> cst.Module:
    """Read one of Airflow's files; raises OverlayError where it cannot be read, or has our name already."""
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise OverlayError(f"not Python that can be read: {error.message}") from error
    if NAME.encode() in source:
        raise OverlayError(f"{NAME} stands there already, and not by this overlay")
    return module


def put_beside(items: Sequence[Item], index: int, new: Item) -> list[Item]:
    """Put ``new`` after the item at ``index``, with commas and line breaks as its neighbours have them."""
    between = items[0].comma
    if len(items) < 2 or not isinstance(between, cst.Comma):
        raise OverlayError("the neighbour stands alone; there is no form to follow")
    here = items[index]
    if index == len(items) - 1:
        here, new = here.with_changes(comma=between), new.with_changes(comma=here.comma)
    else:
        new = new.with_changes(comma=between)
    return [*items[:index], here, new, *items[index + 1 :]]


def only(found: Sequence[Found], what: str) -> Found:
    """Return the one thing found; raises OverlayError where there is none, or more than one."""
    if len(found) != 1:
        raise OverlayError(f"{'no' if not found else 'more than one'} {what}")
    return found[0]

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
"""Our pages in the documentation's page about executors."""

from __future__ import annotations

import re

from tools.overlay.errors import OverlayError
from tools.overlay.python_source import NAME, only

GROUP = "*Containerized Executors*"
EXAMPLES = "**Examples**:"
NEIGHBOUR = "KubernetesExecutor"


def add_pages(index: bytes, pages: tuple[str, ...]) -> bytes:
    """
    Return the executors' ``index.rst`` with ours among the containerized ones, and with our pages in a toctree.

    :param pages: the names of our pages, the main one first
    :raises OverlayError: the page has no such group with a list of examples
    """
    text = index.decode()
    if NAME in text:
        raise OverlayError(f"{NAME} stands there already, and not by this overlay")
    lines = text.split("\n")
    group = only([i for i, line in enumerate(lines) if line == GROUP], f"group {GROUP}")
    end = next((i for i in range(group, len(lines)) if _ends(lines[i])), len(lines))
    examples = only([i for i in range(group, end) if lines[i] == EXAMPLES], f"{EXAMPLES} of {GROUP}")
    items = [i for i in range(examples, end) if lines[i].startswith("* ")]
    if not items or items != list(range(examples + 2, examples + 2 + len(items))) or lines[examples + 1]:
        raise OverlayError(f"the examples of {GROUP} are no list of one line each")
    if lines[items[-1] + 1] or not any(NEIGHBOUR in lines[i] for i in items):
        raise OverlayError(f"the examples of {GROUP} are not a list with {NEIGHBOUR}")
    ours = [f"* :doc:`{NAME} <{pages[0]}>`", "", ".. toctree::", "    :hidden:", ""]
    ours += [f"    {page}" for page in pages]
    return "\n".join([*lines[: items[-1] + 1], *ours, *lines[items[-1] + 1 :]]).encode()


def _ends(line: str) -> bool:
    """Whether what a group says ends here: with a directive or the underline of the next heading."""
    return line.startswith(".. ") or re.fullmatch(r"([-=^~])\1+", line) is not None

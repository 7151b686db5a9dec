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
"""The name of the executor in the help of ``[core] executor``, which ``config.yml`` holds."""

from __future__ import annotations

from functools import cache

from tools.overlay.errors import OverlayError
from tools.overlay.yaml_text import compose, load, member

NEIGHBOUR = "``CeleryExecutor``,"
OURS = "``FargateExecutor``,"
PATH = ("core", "options", "executor", "description")


@cache
def name_in_help(config: bytes) -> bytes:
    """
    Return ``config.yml`` with our name after CeleryExecutor's in the list of choices.

    :raises OverlayError: the help has no such list
    """
    node = compose(config)
    for name in PATH:
        node = member(node, name)
    text = config.decode()
    start, end = node.start_mark.index, node.end_mark.index
    if text[start:end].count(NEIGHBOUR) != 1 or OURS in text[start:end]:
        raise OverlayError(f"the help of [core] executor does not name {NEIGHBOUR.strip(',')} once in a list")
    described = text[start:end].replace(NEIGHBOUR, f"{NEIGHBOUR} {OURS}")
    result = (text[:start] + described + text[end:]).encode()
    if load(result) != _expected(load(config)):
        raise OverlayError("the help of [core] executor is not text that can be edited in place")
    return result


def _expected(config: dict) -> dict:
    option = config["core"]["options"]["executor"]
    option["description"] = option["description"].replace(NEIGHBOUR, f"{NEIGHBOUR} {OURS}")
    return config

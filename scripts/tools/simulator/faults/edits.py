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
"""Changes members of an answer, so that it says what AWS was never seen to say, or leaves out what it always says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

# "tasks[].containers[].exitCode": names of members; "[]" stands for each item of a list.
_PATH = re.compile(r"[A-Za-z]+(\[\])?(\.[A-Za-z]+(\[\])?)*")


def is_path(text: Any) -> bool:
    """Tell whether this names members of an answer; an answer's member itself is no list's item."""
    return isinstance(text, str) and _PATH.fullmatch(text) is not None and not text.endswith("[]")


def edited(body: bytes, edits: Iterable[tuple[str, Any]]) -> bytes:
    """
    Return an answer's JSON with other values at some paths; None takes the member out.

    A path that the answer does not have changes nothing, but for its last member, which is added.
    """
    answer = json.loads(body)
    for path, value in edits:
        _put(answer, path.split("."), value)
    return json.dumps(answer).encode()


def _put(place: Any, path: list[str], value: Any) -> None:
    if not isinstance(place, dict):
        return
    name, *rest = path
    if not rest and value is None:
        place.pop(name, None)
    elif not rest:
        place[name] = value
    elif name.endswith("[]"):
        for item in place.get(name[:-2]) or ():
            _put(item, rest, value)
    else:
        _put(place.get(name), rest, value)

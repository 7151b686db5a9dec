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
"""What a check complains of with the patch, and did not without it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence


def beyond(said: Sequence[str], before: Sequence[str]) -> list[str]:
    """Return the lines that were not said before, wherever in a file what they speak of stood then."""
    known = Counter(map(_without_numbers, before))
    new = []
    for line in said:
        if known[_without_numbers(line)] > 0:
            known[_without_numbers(line)] -= 1
        else:
            new.append(line)
    return new


def _without_numbers(line: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m|\d+|[~^]", "", line).strip()

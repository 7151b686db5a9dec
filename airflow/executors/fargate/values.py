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
"""Reads the values in AWS's answers, any of which may be missing or be something else; whatever comes in, none raises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

#: The end of the year 9999, the last one that Python knows, in seconds since the epoch.
END_OF_TIME = 253_402_300_800


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> list[Any] | tuple[Any, ...]:
    """Return a list or a tuple as it is, and an empty one for anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def is_number(value: Any) -> bool:
    """Tell whether this is a whole number; True and False are none, though Python thinks so."""
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: Any) -> str:
    """Return the text of anything, also of what cannot tell its own; an empty one for None."""
    try:
        return "" if value is None else str(value)
    except Exception:
        return f"({type(value).__name__})"


def epoch(moment: Any) -> float | None:
    """Return a moment in seconds since the epoch; AWS sends it so, and botocore may have made a datetime of it."""
    try:
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    except (OverflowError, ValueError, OSError):  # The first and the last days that Python knows have none.
        return None
    # A number beyond that is none of seconds; nor can a metric be made of it.
    return float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < END_OF_TIME else None

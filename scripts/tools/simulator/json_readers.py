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
"""
Readers of JSON values that tell every mistake, with the name of the key.

A reader takes a value, its key and the list of mistakes; it returns what it read and adds what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Reader = Callable[[Any, str, list[str]], Any]

# Beyond it no time, rate or quota means anything; NaN and the infinities are not below it either.
_MOST = 1e15


def wrong(key: str, wanted: str, value: Any, mistakes: list[str]) -> None:
    """Tell that a value is not what it must be."""
    mistakes.append(f"{key or 'settings'}: must be {wanted}, not {value!r}")


def members(value: Any, readers: Mapping[str, Reader], key: str, mistakes: list[str]) -> dict[str, Any]:
    """Read a JSON object whose members each have a reader."""
    if not isinstance(value, Mapping):
        wrong(key, "an object", value, mistakes)
        return {}
    prefix = f"{key}." if key else ""
    known = ", ".join(readers)
    mistakes.extend(f"{prefix}{name}: is unknown; known are {known}" for name in value if name not in readers)
    return {
        name: reader(value[name], f"{prefix}{name}", mistakes)
        for name, reader in readers.items()
        if name in value
    }


def is_number(value: Any) -> bool:
    """Tell whether this is a number that means something; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _MOST


def number(low: float = 0.0, high: float = _MOST) -> Reader:
    """Return a reader of numbers within bounds."""
    wanted = f"a number of at least {low:g}" if high == _MOST else f"a number from {low:g} to {high:g}"

    def read(value: Any, key: str, mistakes: list[str]) -> Any:
        if not is_number(value) or not low <= value <= high:
            wrong(key, wanted, value, mistakes)
        return value

    return read


def whole_number(low: int | None = 0, high: int | None = None) -> Reader:
    """Return a reader of whole numbers within bounds; None is no bound."""

    def read(value: Any, key: str, mistakes: list[str]) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or (low is not None and value < low) or (high is not None and value > high):
            bounds = (
                "" if low is None else f" of at least {low}" if high is None else f" from {low} to {high}"
            )
            wrong(key, f"a whole number{bounds}", value, mistakes)
        return value

    return read


def text(value: Any, key: str, mistakes: list[str]) -> Any:
    """Read a string."""
    if not isinstance(value, str):
        wrong(key, "a string", value, mistakes)
    return value


def or_null(reader: Reader) -> Reader:
    """Return a reader that takes null as well."""
    return lambda value, key, mistakes: None if value is None else reader(value, key, mistakes)


def list_of(read_item: Reader) -> Reader:
    """Return a reader of lists, whose items another reader reads."""

    def read(value: Any, key: str, mistakes: list[str]) -> tuple[Any, ...]:
        if not isinstance(value, list):
            wrong(key, "a list", value, mistakes)
            return ()
        return tuple(read_item(item, f"{key}[{index}]", mistakes) for index, item in enumerate(value))

    return read


def object_of(of: type, readers: Mapping[str, Reader], required: tuple[str, ...] = ()) -> Reader:
    """Return a reader of objects whose members each have a reader; it makes an ``of`` from them."""

    def read(value: Any, key: str, mistakes: list[str]) -> Any:
        before = len(mistakes)
        values = members(value, readers, key, mistakes)
        if isinstance(value, Mapping):
            mistakes.extend(f"{key}.{name}: is missing" for name in required if name not in value)
        return None if len(mistakes) > before else of(**values)

    return read

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
"""Whether what a service tells is what a template wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Lists of which a service has more than a template names: its own tags and its own defaults.
SOME_OF = {"tags", "loadbalancerattributes", "targetgroupattributes"}


def members(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """
    Yield each property with what is wanted and what is found.

    A property with members is looked at by its members where it is found, and containers one by one.
    """
    for prop, value in wanted.items():
        there = found.get(prop.lower())
        pairs = [(value, there)]
        if prop == "ContainerDefinitions" and there and len(value) == len(there):
            pairs = list(zip(value, there))
        for one, other in pairs:
            if one and isinstance(one, Mapping) and isinstance(other, Mapping):
                yield from (
                    (f"{prop}.{member}", item, other.get(member.lower())) for member, item in one.items()
                )
            else:
                yield prop, one, other


def lowered(value: Any) -> Any:
    """Return data with the names in it in lower case: the services and CloudFormation differ in that."""
    if isinstance(value, Mapping):
        return {key.lower(): lowered(item) for key, item in value.items()}
    return [lowered(item) for item in value] if isinstance(value, list) else value


def same(wanted: Any, found: Any, some: bool = False) -> bool:
    """
    Return whether a service tells what the template wants.

    Members that the template does not name may be there; the order of a list counts for nothing.

    :param some: whether a list may have further items
    """
    if wanted in ([], {}):
        return some or not found
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            same(value, lowered(found).get(key.lower())) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        rest = list(found) if isinstance(found, list) else []
        for item in wanted:
            match = next((index for index, other in enumerate(rest) if same(item, other)), None)
            if match is None:
                return False
            del rest[match]
        return some or not rest
    return told(wanted) == told(found)


def told(value: Any) -> str:
    """Return a value as text: CloudFormation takes ``"true"`` for true and ``"5"`` for 5."""
    return str(value).lower() if isinstance(value, bool) else str(value)

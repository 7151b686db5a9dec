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
"""What the answers of several services have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Client = Callable[[str], Any]
Lookup = Callable[[Client, str], Mapping[str, Any]]

#: What ECS says of what it keeps for a while although it is deleted.
GONE = ("INACTIVE", "DRAINING", "DELETE_IN_PROGRESS")


def one(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the only one of a list; ValueError where it has none or several, or where its status says it is gone."""
    (only,) = found
    if only.get("status") in GONE or only.get("State") == "deleted":
        raise ValueError("is gone")
    return only


def named(values: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Return some values by other names, with the names that CloudFormation has for them."""
    return {cloudformations: values[name] for cloudformations, name in names.items() if name in values}


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]

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
"""YAML that is read as nodes with their places, and edited as text, so that every other byte stays."""

from __future__ import annotations

from typing import Any

import yaml

from tools.overlay.errors import OverlayError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(text: bytes) -> yaml.Node | None:
    """Return the document's root node; raises OverlayError where it cannot be read."""
    try:
        return yaml.compose(text.decode(), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OverlayError(f"not YAML that can be read: {error}") from error


def load(text: bytes) -> Any:
    """Return what the document says; raises OverlayError where it cannot be read."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise OverlayError(f"not YAML that can be read: {error}") from error


def member(node: yaml.Node | None, name: str) -> yaml.Node:
    """Return what a mapping holds under a name; raises OverlayError where that is not one thing."""
    found = [v for k, v in node.value if k.value == name] if isinstance(node, yaml.MappingNode) else []
    if len(found) != 1:
        raise OverlayError(f"there is no one {name}")
    return found[0]

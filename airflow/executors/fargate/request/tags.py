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
"""The tags that say what an ECS task runs."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.executors.fargate.launch import Launch

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html
#: What a tag may contain besides letters, numbers and spaces of any script.
#: Source, also of the limits below, member ``tags``: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
TAG_CHARACTERS = "_.:/=+-@"
#: Tags of one ECS task.
MAX_TAGS = 50
#: Characters of the value of a tag.
MAX_VALUE = 256
#: No key and no value may begin with it, in capitals or not: AWS reserves it.
RESERVED_PREFIX = "aws:"
#: The keys of the executor's own tags begin with it.
PREFIX = "airflow:"
#: Replaces a character that AWS does not accept.
REPLACEMENT = "_"


def is_tag_character(character: str) -> bool:
    """Return whether a tag may contain this character."""
    return character in TAG_CHARACTERS or unicodedata.category(character)[0] in "LNZ"


def is_reserved(word: str) -> bool:
    """Return whether AWS reserves a key or a value."""
    return word.lower().startswith(RESERVED_PREFIX)


def own_tags(launch: Launch, deployment: str) -> list[dict[str, str]]:
    """Return the executor's own tags for a launch, the most important first."""
    members = {**launch.task.coordinates.as_dict(), "deployment": deployment}
    return [{"key": PREFIX + name, "value": tag_value(str(value))} for name, value in members.items()]


def tag_value(text: str) -> str:
    """Return a text as the value of a tag: other characters are replaced, and a long text is cut."""
    value = "".join(character if is_tag_character(character) else REPLACEMENT for character in text)
    if is_reserved(value):
        value = REPLACEMENT + value
    # AWS does not say which characters it counts. To be safe, one beyond the BMP counts as two.
    return value.encode("utf-16-le")[: 2 * MAX_VALUE].decode("utf-16-le", "ignore")


def with_own_tags(request: Mapping[str, Any], own: list[dict[str, str]]) -> Mapping[str, Any]:
    """
    Return the request with the executor's own tags, up to AWS's limit; a user's tag of the same key stays.

    If ``tags`` is not a list of tags, the request is returned unchanged, for the check to refuse.
    """
    users = request.get("tags", [])
    if not isinstance(users, list) or not all(isinstance(tag, Mapping) for tag in users):
        return request
    taken = [tag.get("key") for tag in users]
    free = [tag for tag in own if tag["key"] not in taken]
    tags = users + free[: max(0, MAX_TAGS - len(users))]
    return {**request, "tags": tags} if tags else request

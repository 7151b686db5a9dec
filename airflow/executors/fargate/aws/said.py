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
"""What AWS said, part by part: which explanation fits, and what that means for a launch. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.explanations import ANY_EXIT, EXIT_CODES, EXPLANATIONS, Explanation

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.verdict import Verdict

#: What stands before the leading word and adds nothing to it: a stop code; the beginning of a service event.
_BEFORE = re.compile(r"(?:TaskFailedToStart: |\(?service [^ ]+ was unable to place a task\. Reason: )*")
_LEADING_WORD = re.compile(r"[A-Za-z]\w*(?![\w-])")
_SUBNET = re.compile(r"\bsubnet-[0-9a-f]+")


@dataclass(frozen=True)
class Said:
    """Something that AWS said, and of what."""

    words: str
    #: The container that it is about, where that is not the main one.
    container: str = ""
    #: Whether it may be somebody's own words: these are told and never looked into.
    quoted: bool = False

    def __str__(self) -> str:
        return f"{self.container}: {self.words}" if self.container else self.words


def leading_word(words: str) -> str:
    """Return the word that what AWS says begins with; empty where it begins with none."""
    before = _BEFORE.match(words)
    found = _LEADING_WORD.match(words, before.end() if before else 0)
    return found.group() if found else ""


def fits(row: Explanation, said: Said) -> bool:
    """Tell whether a row explains what AWS said."""
    if said.quoted or row.phrase.casefold() not in said.words.casefold():
        return False
    return not row.leading or leading_word(said.words) in row.leading.split()


def find(said: Iterable[Said]) -> tuple[Explanation, Said] | None:
    """Return the first explanation of what AWS said, and of what it is one; None where there is none."""
    parts = list(said)
    return next(((row, part) for row in EXPLANATIONS for part in parts if fits(row, part)), None)


def verdict_of(said: Iterable[Said]) -> Verdict | None:
    """Return what to do with a launch for which nothing was started; None where AWS's words leave that open."""
    parts = list(said)
    verdicts = (row.verdict for row in EXPLANATIONS if row.verdict and any(fits(row, part) for part in parts))
    return next(verdicts, None)


def explain(said: Iterable[Said], exit_code: int | None = None) -> str:
    """
    Put what AWS said into a sentence: what happened, AWS's words, what to do.

    :param said: what AWS said, each part for itself; nothing is made of a part that is not known.
    :param exit_code: the main container's, where it tells more than AWS's words do.
    """
    parts = [part for part in said if part.words.strip(" .")]
    # AWS often gives the container's reason as the ECS task's, too.
    told = "; ".join(dict.fromkeys(str(part).strip().rstrip(".") for part in parts)) or "AWS gave no reason"
    found = find(parts)
    if found is not None:
        row, part = found
        return _sentence(_meaning(row, part), told, row.remedy)
    if exit_code is None:
        return f"{told}."
    meaning, remedy = EXIT_CODES.get(exit_code, ANY_EXIT)
    return _sentence(meaning, told, remedy)


def _meaning(row: Explanation, said: Said) -> str:
    subnet = _SUBNET.search(said.words)
    meaning = row.meaning.replace("{subnet}", f"subnet {subnet.group()}" if subnet else "a subnet")
    return f"container {said.container}: {meaning}" if said.container else meaning


def _sentence(meaning: str, told: str, remedy: str) -> str:
    return f"{meaning[0].upper()}{meaning[1:]} (AWS: {told}). {remedy}."

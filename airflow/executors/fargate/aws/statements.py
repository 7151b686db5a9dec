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
"""Finds the explanations of what AWS says, and puts both into sentences. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws.explanations import ANY_EXIT, EXIT_CODES, EXPLANATIONS, Explanation

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.verdict import Verdict

#: Prefixes that are skipped before the leading word: a stop code, and the beginning of a service event.
_PREFIXES = re.compile(r"(?:TaskFailedToStart: |\(?service [^ ]+ was unable to place a task\. Reason: )*")
_LEADING_WORD = re.compile(r"[A-Za-z]\w*(?![\w-])")
_SUBNET = re.compile(r"\bsubnet-[0-9a-f]+")


@dataclass(frozen=True)
class Statement:
    """One thing that AWS says, such as a stop code or a container's reason."""

    words: str
    #: The container that it is about; empty for the main container and for the ECS task.
    container: str = ""
    #: Whether a user may have written it. Then it is shown, but never searched for an explanation.
    quoted: bool = False

    def __str__(self) -> str:
        return f"{self.container}: {self.words}" if self.container else self.words


def leading_word(words: str) -> str:
    """Return the word that a statement of AWS begins with; empty if it does not begin with a word."""
    prefixes = _PREFIXES.match(words)
    found = _LEADING_WORD.match(words, prefixes.end() if prefixes else 0)
    return found.group() if found else ""


def fits(row: Explanation, statement: Statement) -> bool:
    """Tell whether a row of the table explains a statement."""
    if statement.quoted or row.phrase.casefold() not in statement.words.casefold():
        return False
    return not row.leading or leading_word(statement.words) in row.leading.split()


def verdict_of(statements: Iterable[Statement]) -> Verdict | None:
    """Return what to do with a launch for which nothing was started; None if AWS's words do not decide it."""
    parts = list(statements)
    verdicts = (row.verdict for row in EXPLANATIONS if row.verdict and any(fits(row, part) for part in parts))
    return next(verdicts, None)


def explain(statements: Iterable[Statement], exit_code: int | None = None) -> str:
    """
    Return a text with what happened, AWS's words, and what to do.

    :param statements: what AWS says. Words that the table does not know are shown as they are.
    :param exit_code: the main container's, if AWS's words do not say why it ended.
    """
    parts = [part for part in statements if part.words.strip(" .")]
    # AWS often sends the same reason for a container and for the ECS task.
    words = "; ".join(dict.fromkeys(str(part).strip().rstrip(".") for part in parts)) or "AWS gave no reason"
    found = next(((row, part) for row in EXPLANATIONS for part in parts if fits(row, part)), None)
    if found is not None:
        row, part = found
        return _format(_meaning(row, part), words, row.remedy)
    if exit_code is None:
        return f"{words}."
    meaning, remedy = EXIT_CODES.get(exit_code, ANY_EXIT)
    return _format(meaning, words, remedy)


def _meaning(row: Explanation, statement: Statement) -> str:
    subnet = _SUBNET.search(statement.words)
    meaning = row.meaning.replace("{subnet}", f"subnet {subnet.group()}" if subnet else "a subnet")
    return f"container {statement.container}: {meaning}" if statement.container else meaning


def _format(meaning: str, words: str, remedy: str) -> str:
    return f"{meaning[0].upper()}{meaning[1:]} (AWS: {words}). {remedy}."

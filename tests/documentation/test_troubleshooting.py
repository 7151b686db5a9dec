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
"""What the documentation quotes of the executor, is what the executor says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tools.documentation.hints import FILE, made, sign
from tools.documentation.snippets import read

import airflow.executors.fargate
from airflow.executors.fargate.aws.classify import CREDENTIAL_CODES, CREDENTIAL_ERRORS, THROTTLE_CODES
from airflow.executors.fargate.aws.explanations import EXIT_CODES, EXPLANATIONS

PACKAGE = Path(airflow.executors.fargate.__file__).parent
SOURCES = [*PACKAGE.rglob("*.py"), PACKAGE.parent / "fargate_executor.py"]
#: A text that is quoted: one line, in which … stands for what differs.
MESSAGES = [
    line for block in read(FILE) if block.language == "text" for line in block.text.splitlines() if line
]
#: No word of fewer letters says whose it is.
TELLING = 8


def said():
    """Return the texts in the executor's source; of those with values in them, with … in the places of the values."""
    texts = []
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                # A logger's text has its values later.
                texts.append(re.sub(r"%[sd]", "…", node.value))
            elif isinstance(node, ast.JoinedStr):
                texts.append("".join(p.value if isinstance(p, ast.Constant) else "…" for p in node.values))
    return texts


SAID = said()


def test_the_page_is_current():
    """scripts/docs --write would write nothing else; where this fails, run it."""
    assert FILE.read_text(encoding="utf-8") == made()


def test_messages_are_quoted():
    """There are messages to compare, and each says enough to be found."""
    assert len(MESSAGES) > 20
    assert all(len(max(message.split("…"), key=len)) >= TELLING for message in MESSAGES)


def is_said(message):
    """Tell whether a text in the source says what is quoted, with values where the quotation has …."""
    quoted = ".*".join(re.escape(part.strip(" ")) for part in message.split("…"))
    return any(re.search(quoted, text, re.DOTALL) for text in SAID)


def test_the_executor_says_what_is_quoted():
    """And the comparison is one that can fail."""
    assert [message for message in MESSAGES if not is_said(message)] == []
    assert not is_said("Container … never stopped")


def test_every_explanation_is_told():
    """The page has a row for each meaning, with what AWS says of it."""
    page = " ".join(FILE.read_text(encoding="utf-8").split())
    assert [sign(row) for row in EXPLANATIONS if sign(row) not in page] == []


def test_errors_that_are_named_are_judged_as_told():
    """What the page says of errors of credentials and of throttling is what becomes of them."""
    named = set(re.findall(r"``(\w+(?:Exception|Error|Skewed|NotMatch))``", FILE.read_text(encoding="utf-8")))
    assert {"ThrottlingException"} == named & THROTTLE_CODES
    assert {"ExpiredTokenException", "NoCredentialsError", "RequestTimeTooSkewed"} <= named & (
        CREDENTIAL_CODES | CREDENTIAL_ERRORS
    )


def test_every_exit_code_that_is_explained_is_told():
    """The page has a row for each."""
    rows = re.findall(r"^    \* - (\d+)$", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert list(map(int, rows)) == list(EXIT_CODES)

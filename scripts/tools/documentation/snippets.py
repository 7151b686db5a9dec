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
"""The snippets that the documentation shows, with the page and the line of each."""

from __future__ import annotations

import ast
import configparser
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.documentation.options import REPOSITORY

PAGES = (*sorted((REPOSITORY / "docs").rglob("*.rst")), REPOSITORY / "README.md", REPOSITORY / "UPDATING.md")
#: A directive of reStructuredText, with options; a fence of Markdown. Of both the indentation ends the block.
RST = re.compile(r"^(?P<indent> *)\.\. code-block:: (?P<language>\S+)\n(?:(?P=indent) +:.*\n)*\n")
MARKDOWN = re.compile(r"^(?P<indent> *)```(?P<language>\S+)\n")


@dataclass(frozen=True)
class Snippet:
    """
    A block of code in a page.

    :param page: its path in the repository
    :param line: the line on which its text begins
    :param text: without the indentation that it has as a block
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(language: str) -> list[Snippet]:
    """Return all snippets in a language, as the page names it."""
    return [snippet for page in PAGES for snippet in read(page) if snippet.language == language]


def read(page: Path) -> Iterator[Snippet]:
    """Yield the snippets of a page."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True)
    pattern = MARKDOWN if page.suffix == ".md" else RST
    for number in range(len(lines)):
        found = pattern.match("".join(lines[number : number + 6]))
        if found:
            first = number + found[0].count("\n")
            text = "".join(_block(lines[first:], found["indent"], page.suffix == ".md"))
            path = page.relative_to(REPOSITORY).as_posix()
            text = textwrap.dedent(text).strip("\n") + "\n"
            yield Snippet(path, first + 1, found["language"], text)


def _block(lines: list[str], indent: str, fenced: bool) -> Iterator[str]:
    for line in lines:
        if line.startswith(f"{indent}```") if fenced else line.strip() and not line.startswith(f"{indent} "):
            return
        yield line


def options_of(snippet: Snippet) -> dict[str, dict[str, str]]:
    """Return the sections of an ini snippet, each with its options, read as Airflow reads its ``airflow.cfg``."""
    parser = configparser.RawConfigParser()
    parser.read_string(snippet.text, source=str(snippet))
    return {section: dict(parser[section]) for section in parser.sections()}


def executor_configs(snippet: Snippet) -> list[Any]:
    """Return the literal values of ``executor_config`` in a Python snippet, in their order; none of a KubernetesExecutor."""
    calls = (node for node in ast.walk(ast.parse(snippet.text)) if isinstance(node, ast.Call))
    keywords = [keyword for call in calls for keyword in call.keywords if keyword.arg == "executor_config"]
    keywords = [keyword for keyword in keywords if not _is_of_kubernetes(keyword.value)]
    keywords.sort(key=lambda keyword: keyword.value.lineno)
    return [ast.literal_eval(keyword.value) for keyword in keywords]


def _is_of_kubernetes(value: ast.expr) -> bool:
    keys = value.keys if isinstance(value, ast.Dict) else ()
    return any(isinstance(key, ast.Constant) and key.value == "pod_override" for key in keys)

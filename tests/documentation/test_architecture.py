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
"""The page on the architecture: who reads it first finds every module of the package there."""

from __future__ import annotations

import re

from tools.harness.environment import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGE = TEXT.partition("\n## ARCHITECTURE\n")[2].partition("\n## ")[0]
PACKAGE = REPOSITORY / "airflow/executors/fargate"
#: All but those of older lines of Airflow's releases, of which the list names the folder.
MODULES = [
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py" and path.parent.name != "older"
]
#: A line of the list: how far it is indented, a module or a folder, and what it does.
LINE = re.compile(r"( +)(\w+(?:\.py|/)) +(\S.+)")
#: Lines beside those of the modules: what can be taken in at once.
LONGEST = 70


def listed():
    """Yield each module that the list on the page says something of, by its path in the package."""
    lines = PAGE.partition("### The executor")[2].partition("```\n")[2].partition("```")[0].splitlines()
    folders = []
    for line in lines[lines.index("airflow/executors/fargate/") + 1 :]:
        if found := LINE.fullmatch(line):
            del folders[len(found[1]) // 4 - 1 :]
            if found[2].endswith("/"):
                folders.append(found[2])
            else:
                yield "".join(folders) + found[2]


def test_the_list_has_each_module_once():
    """In its folder, with what it does, and nothing that is not in the package."""
    assert sorted(listed()) == sorted(MODULES)


def test_it_is_read_first_and_is_short():
    """It is the first section of its file, and beside the list of modules it can be taken in at once."""
    assert re.findall(r"(?m)^## (.+)$", TEXT)[0] == "ARCHITECTURE"
    assert 40 < len(PAGE.splitlines()) - len(MODULES) <= LONGEST


def test_the_table_of_imports_is_where_it_is_said_to_be():
    """Who may import whom is said in one place, which the page names."""
    name, path = re.search(r"`(\w+)` in `(\S+)` is the table", PAGE).groups()
    assert f"\n{name} = {{" in (REPOSITORY / path).read_text(encoding="utf-8")

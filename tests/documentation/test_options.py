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
"""The reference of the options says what the configuration says."""

from __future__ import annotations

import re

from tools.documentation.options import FILE, TEMPLATE, made, options, variable

from airflow.executors.fargate.config.template import template

PAGE = FILE.read_text(encoding="utf-8")
#: A section of the page, by its heading.
SECTIONS = dict(re.findall(r"^(\w+)\n-+\n\n(.*?)(?=^\.\. _|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


def test_the_page_is_current():
    """scripts/docs --write would write nothing else; where this fails, run it."""
    assert made() == PAGE


def test_every_option_has_a_section():
    """The page has the options that the executor reads, in their order, and no other."""
    assert list(SECTIONS) == list(template()) == list(options())


def expected(name, option):
    """Yield the lines that an option's section must have."""
    yield f":Type: {option['type']}\n"
    yield f":Environment variable: ``{variable(name)}``\n"
    for member in ("default", "example"):
        if option[member]:
            yield f":{member.title()}: ``{option[member]}``\n"


def test_each_section_tells_all():
    """It begins with the option's description, and has its type, default, example and environment variable."""
    begins = {name: option["description"].rstrip() for name, option in options().items()}
    assert [name for name, text in begins.items() if not SECTIONS[name].startswith(text)] == []
    parts = [(name, part) for name, option in options().items() for part in expected(name, option)]
    assert [(name, part) for name, part in parts if part not in SECTIONS[name]] == []


def test_each_variable_is_the_one_that_airflow_reads(monkeypatch):
    """What the page says that an option's environment variable is, sets that option."""
    from airflow.configuration import conf

    for name in options():
        monkeypatch.setenv(variable(name), f"set by the variable of {name}")
    read = {name: conf.get("fargate", name) for name in options()}
    assert read == {name: f"set by the variable of {name}" for name in options()}


def test_every_option_has_what_airflow_asks_of_one():
    """Airflow's check of its configuration wants these members, and a default that is text or none."""
    for name, option in options().items():
        assert {"description", "version_added", "type", "example", "default"} <= option.keys(), name
        assert option["default"] is None or isinstance(option["default"], str), f"{TEMPLATE}: {name}"

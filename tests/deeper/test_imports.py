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
"""More on what ``test_imports.py`` tests."""

from __future__ import annotations

import ast

import pytest

from tests.executors.fargate.test_imports import (
    PACKAGE,
    SOURCES,
    TREES,
    imports,
    room_of,
    without_type_checking,
)


def test_imports_are_absolute():
    """Airflow's own rules ask for that."""
    assert [m for m, tree in TREES.items() if any(name.startswith(".") for name in imports(tree))] == []


def test_sources_are_of_python_3_9():
    """No newer syntax is used, and annotations are never evaluated, so newer types may stand in them."""
    trees = {module: ast.parse(source, feature_version=(3, 9)) for module, source in SOURCES.items()}
    lazy = {m for m, tree in trees.items() if "__future__.annotations" in set(imports(tree))}
    assert {m for m in SOURCES if m not in lazy and TREES[m].body[1:]} == set()
    with pytest.raises(SyntaxError):  # The test can fail: a match statement is newer than 3.9.
        ast.parse("match 1:\n    case 1: pass", feature_version=(3, 9))


def test_little_is_imported_with_what_all_of_airflow_loads():
    """Each command and each container loads plugins and the logging configuration: nothing that asks anything."""
    at_import = {
        name
        for module in SOURCES
        if room_of(module) == "ui"
        for node in without_type_checking(SOURCES[module]).body
        for name in imports(ast.Module([node], []))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert f"{PACKAGE}.notes.noted_ecs_task" in at_import
    heavy = ("sqlalchemy.", "boto3", "airflow.models.", f"{PACKAGE}.bridge.", f"{PACKAGE}.cli.")
    assert [name for name in at_import if name.startswith(heavy)] == []

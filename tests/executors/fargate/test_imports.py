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
"""The rooms of the package: which may import which, and that none but three know of Airflow."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import airflow.executors.fargate as package
from airflow.executors.fargate.aws.ecs import Ecs

PACKAGE = package.__name__


FOLDER = Path(package.__file__).parent


#: By the module's name below the package's.
SOURCES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in FOLDER.rglob("*.py")
}


TREES = {module: ast.parse(source) for module, source in SOURCES.items()}


#: The room that belongs to no other: what a launch is, and what is told of it.
HALL = "(hall)"


#: Which rooms the modules of each may import when they run, beside their own and the hall.
MAY_IMPORT = {
    HALL: "",
    "aws": "",
    "config": "aws",
    "request": "aws config",
    "logs": "aws",
    "fleet": "aws config logs request",
    "bridge": "aws config logs",
    "cli": "aws bridge config logs request",
    "ui": "aws bridge cli config logs",
}


#: The modules that a single one may import beyond that.
MAY_ALSO_IMPORT = {"notes": {"aws.arns"}}


#: The rooms that may import Airflow.
OF_AIRFLOW = ("bridge", "cli", "ui")


#: The modules that import boto3, in functions; all others get what they need of it from these.
OF_BOTO3 = {"aws.clients", "bridge.sessions"}


#: Imports modules where Airflow is two empty packages, and tells what there is afterwards.
IMPORT = """
import importlib, json, sys, types
for name, folder in json.loads(sys.argv[1]).items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [folder]
for name in json.loads(sys.argv[2]):
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def room_of(module):
    room, _, name = module.partition(".")
    return room if name else HALL


def import_alone(*modules):
    """Import modules of the package in a process without Airflow; return the names of all that was imported."""
    executors = FOLDER.parent
    empty = {"airflow": str(executors.parent), "airflow.executors": str(executors)}
    names = [f"{PACKAGE}.{module}" for module in modules]
    command = [sys.executable, "-I", "-c", IMPORT, json.dumps(empty), json.dumps(names)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout))


def imports(tree):
    """Yield the full name of each thing that is imported anywhere in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def without_type_checking(source):
    """Return the syntax tree of a source without what is imported for type checkers alone."""

    class Remover(ast.NodeTransformer):
        def visit_If(self, node):
            return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    return Remover().visit(ast.parse(source))


def own_imports(module):
    """Return the modules of the package that a module imports when it runs."""
    prefix = f"{PACKAGE}."
    names = imports(without_type_checking(SOURCES[module]))
    ours = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    return {
        other
        for other in SOURCES
        if not other.endswith("__init__") and any(f"{name}.".startswith(f"{other}.") for name in ours)
    }


IMPORTED = {module: own_imports(module) for module in SOURCES}


def test_each_room_is_in_the_table():
    """Who adds a room says what it may import."""
    assert {room_of(module) for module in SOURCES} == MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_what_it_may(room):
    """No module imports one of another room than its row of the table has."""
    admitted = {HALL, room, *MAY_IMPORT[room].split()}
    wrong = {
        module: sorted(
            other for other in others - MAY_ALSO_IMPORT.get(module, set()) if room_of(other) not in admitted
        )
        for module, others in IMPORTED.items()
        if room_of(module) == room
    }
    assert {module: others for module, others in wrong.items() if others} == {}


def test_no_module_imports_itself_by_way_of_others():
    """So each can be the first to be imported."""
    # Here, since for Airflow 2.11's ruff it is no module of Python's, and so has no place among those.
    from graphlib import TopologicalSorter

    TopologicalSorter(IMPORTED).prepare()


def test_imports_are_found():
    """The tests above can fail: imports at a module's top and within its functions count, those for types do not."""
    assert {"request.builder", "bridge.settings"} <= IMPORTED["cli.commands"]
    assert "fleet.fleet" in IMPORTED["fleet.thread"]
    assert "config.config" not in IMPORTED["fleet.thread"]


def test_all_rooms_but_three_are_imported_without_airflow():
    """Nor is a library of AWS imported by then."""
    imported = import_alone(*(module for module in SOURCES if room_of(module) not in OF_AIRFLOW))
    ours = {name for name in imported if name.split(".")[0] == "airflow"}
    assert {name for name in ours if not name.startswith(PACKAGE)} == {"airflow", "airflow.executors"}
    assert imported & {"boto3", "botocore", "aiobotocore"} == set()
    with pytest.raises(AssertionError, match="ImportError|ModuleNotFoundError"):
        import_alone("bridge.contract")  # The process has no Airflow.


def test_airflow_and_boto3_are_imported_where_they_may_be():
    """Not even for type checkers is anything of Airflow imported elsewhere; nothing imports the executor."""
    imported = {module: set(imports(tree)) for module, tree in TREES.items()}
    of_airflow = {
        module
        for module, names in imported.items()
        if any(name.startswith("airflow.") and not name.startswith(f"{PACKAGE}.") for name in names)
    }
    assert {room_of(module) for module in of_airflow} == set(OF_AIRFLOW)
    assert {m for m, names in imported.items() if any(n.split(".")[0] == "boto3" for n in names)} == OF_BOTO3
    assert [m for m, names in imported.items() if any("fargate_executor" in n for n in names)] == []


def test_one_module_makes_all_calls_of_the_fleet():
    """Others ask it: only it paces, classifies, renews and counts."""
    names = {name for name, value in vars(Ecs).items() if callable(value) and not name.startswith("_")}
    calls = names - {"connected", "renew", "close"}
    assert "run_task" in calls
    callers = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if room_of(module) in ("fleet", "bridge") and isinstance(node, ast.Attribute) and node.attr in calls
        if not ast.unparse(node.value).endswith("calls")
    }
    assert callers == {"fleet.calls"}

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
"""The package knows nothing of Airflow, and its modules know each other only as the architecture has it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import airflow.executors.fargate as package

PACKAGE = package.__name__
FOLDER = Path(package.__file__).parent
#: The bridge to Airflow: the modules of the package that may import it.
BRIDGES = ("compat", "database", "cli.commands", "cli.definition", "cli.workload")
#: By the module's name below the package's.
SOURCES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in FOLDER.rglob("*.py")
}
MODULES = sorted(name for name in SOURCES if not name.endswith("__init__"))

#: Which modules of the package each may import when it runs, from the foundation up. Each row imports only what stands
#: above it, so no module imports itself by way of others, and nothing imports the executor.
MAY_IMPORT = {
    "launch": "",
    "messages": "",
    "orphan_checks": "launch messages",
    "fitting": "",
    "errors": "",
    "links": "",
    "answers": "errors launch links",
    "credentials": "answers",
    "verdict": "",
    "explanations": "verdict",
    "said": "explanations",
    "classify": "answers credentials said verdict",
    "outcome": "classify explanations said verdict",
    "throttle": "",
    "attempts": "fitting outcome throttle",
    "merging": "errors fitting launch",
    "run": "",
    "sizes": "",
    "capacity": "links run sizes throttle",
    "template": "",
    "options": "errors template",
    "regions": "",
    "config": "errors fitting options regions",
    "misplaced": "merging",
    "tags": "",
    "check": "config errors fitting misplaced sizes tags",
    "ecs": "answers",
    "reading": "",
    "clients": "ecs errors reading",
    "pool": "clients",
    "ecs_task_search": "ecs outcome throttle",
    "present": "launch",
    "adoption": "ecs_task_search links orphan_checks outcome present run",
    "lease": "",
    "calls": "lease outcome throttle",
    "preparing": "errors run",
    "waits": "outcome run",
    "launching": "attempts capacity lease outcome preparing run throttle waits",
    "following": "ecs launching links outcome run throttle",
    "logs": "clients errors links outcome",
    "last_lines": "links logs messages",
    "searching": "ecs_task_search outcome run",
    "sweeping": "answers ecs messages outcome present",
    "wiring": "adoption calls following last_lines launching lease searching sweeping",
    "wanted": "launch present",
    "ledger": "launch messages",
    "__init__": "",
    "metrics": "",
    "fleet": "last_lines launch links messages outcome run waits",
    "fleet_thread": "clients fleet pool wiring",
    "running_log": "clients launch links logs verdict",
    "request": "config errors fitting launch merging tags",
    "fragments": "errors fitting merging request",
    "compat": "errors launch template",
    "database_address": "",
    "database": "compat database_address ecs launch present wanted",
    "lookups": "launch lease messages present wanted",
    "cli.definition": "",
    "cli.rendering": "launch merging request tags template",
    "cli.account": "classify clients",
    "cli.__init__": "",
    "cli.checks": "classify fitting",
    "cli.definition_checks": "cli.checks fitting sizes",
    "cli.containers": "ecs launch",
    "cli.facts": "cli.account",
    "cli.permissions": "cli.checks cli.definition_checks",
    "cli.workload": "compat errors launch",
    "cli.commands": "check classify cli.account cli.checks cli.containers cli.definition_checks cli.facts cli.permissions cli.rendering cli.workload clients compat config errors explanations fragments launch request verdict",
}

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


def without_type_checking(tree):
    """Take out of a syntax tree what is imported for type checkers alone."""

    class Remover(ast.NodeTransformer):
        def visit_If(self, node):
            return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)

    return Remover().visit(tree)


def own_imports(module):
    """Return the modules of the package that a module imports when it runs."""
    prefix = f"{PACKAGE}."
    names = imports(without_type_checking(ast.parse(SOURCES[module])))
    ours = {name[len(prefix) :] for name in names if name.startswith(prefix)}
    return {other for other in MODULES if any(f"{name}.".startswith(f"{other}.") for name in ours)}


class TestWithoutAirflow:
    @pytest.mark.parametrize("module", [m for m in MODULES if m not in BRIDGES])
    def test_module_is_imported_first_and_alone(self, module):
        """Each module can be the first to be imported, without Airflow, and imports no AWS library."""
        imported = import_alone(module)
        assert f"{PACKAGE}.{module}" in imported
        ours = {name for name in imported if name.split(".")[0] == "airflow"}
        assert {n for n in ours if not n.startswith(PACKAGE)} == {"airflow", "airflow.executors"}
        assert imported & {"boto3", "botocore", "aiobotocore"} == set()
        assert imported & {f"{PACKAGE}.{bridge}" for bridge in BRIDGES} == set()

    @pytest.mark.parametrize("bridge", BRIDGES)
    def test_bridge_needs_airflow(self, bridge):
        """The test above can fail: the bridge is not imported without Airflow."""
        with pytest.raises(AssertionError, match="ImportError|ModuleNotFoundError"):
            import_alone(bridge)


class TestImports:
    def test_table_has_the_package(self):
        """Who adds a module says what it may import."""
        assert sorted(SOURCES.keys() - MAY_IMPORT.keys()) == [], "MAY_IMPORT lacks modules of ours"
        assert sorted(MAY_IMPORT.keys() - SOURCES.keys()) == [], "MAY_IMPORT has modules that there are not"

    @pytest.mark.parametrize("module", [module for module in MAY_IMPORT if module in SOURCES])
    def test_module_imports_what_it_may(self, module):
        """A module imports no other of the package than its row of the table has."""
        too_many = own_imports(module) - set(MAY_IMPORT[module].split())
        assert sorted(too_many) == [], f"{module} may not import these: see MAY_IMPORT"

    def test_table_goes_from_the_foundation_up(self):
        """What a row admits stands above it; so no module imports itself by way of others."""
        above = set()
        for module, names in MAY_IMPORT.items():
            assert sorted(set(names.split()) - above) == [], f"to be put above {module} in MAY_IMPORT"
            above.add(module)

    def test_imports_are_found(self):
        """The tests above can fail: imports at a module's top and within its functions count, those for types do not."""
        assert {"check", "compat"} <= own_imports("cli.commands")
        assert "wiring" in own_imports("fleet_thread")
        assert "config" not in own_imports("fleet_thread")

    @pytest.mark.parametrize("module", [m for m in MODULES if m not in BRIDGES])
    def test_only_the_bridge_imports_airflow(self, module):
        """No module but the bridge imports anything of Airflow, or the bridge, not even for type checkers."""
        of_airflow = {name for name in imports(ast.parse(SOURCES[module])) if name.startswith("airflow.")}
        assert {name for name in of_airflow if not name.startswith(f"{PACKAGE}.")} == set()
        bridges = tuple(f"{PACKAGE}.{bridge}." for bridge in BRIDGES)
        assert {name for name in of_airflow if f"{name}.".startswith(bridges)} == set()

    @pytest.mark.parametrize("module", ["__init__", *MODULES])
    def test_nothing_imports_the_executor(self, module):
        """The executor imports the package, never the other way round."""
        assert [n for n in imports(ast.parse(SOURCES[module])) if "fargate_executor" in n] == []

    @pytest.mark.parametrize("module", ["__init__", *MODULES])
    def test_imports_are_absolute(self, module):
        """Airflow's own rules ask for absolute imports."""
        assert [n for n in imports(ast.parse(SOURCES[module])) if n.startswith(".")] == []

    @pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith("cli.")])
    def test_only_commands_import_the_commands(self, module):
        """What the scheduler runs knows nothing of the command line."""
        assert [other for other in own_imports(module) if other.startswith("cli.")] == []


class TestPython39:
    @pytest.mark.parametrize("module", ["__init__", *MODULES])
    def test_source_is_of_python_3_9(self, module):
        """No newer syntax is used, and annotations are never evaluated, so newer types may stand in them."""
        tree = ast.parse(SOURCES[module], feature_version=(3, 9))
        assert "__future__.annotations" in set(imports(tree))

    def test_newer_syntax_would_be_found(self):
        """The test above can fail: a match statement is newer than 3.9."""
        with pytest.raises(SyntaxError):
            ast.parse("match 1:\n    case 1: pass", feature_version=(3, 9))

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
    @pytest.mark.parametrize(
        "module", ["template", "options", "outcome", "throttle", "sizes", "fitting", "tags", "links"]
    )
    def test_policy_imports_nothing_of_ours(self, module):
        """A policy stands for itself: it imports no other module of the package but errors, words and defaults."""
        assert own_imports(module) <= {"errors", "hints", "template"}

    def test_config_imports_what_reads_single_options(self):
        """The options know nothing of launches, or of what is made of them."""
        assert own_imports("config") <= {"errors", "options", "fitting"}

    def test_request_imports_no_more_than_it_needs(self):
        """Making a request takes the launch and the errors; the check and the options come in from outside."""
        assert own_imports("request") <= {"errors", "launch", "config", "fitting", "merging", "tags"}

    @pytest.mark.parametrize("module", ["errors", "launch", "pool", "ecs"])
    def test_foundation_imports_nothing_that_is_built_on_it(self, module):
        """Messages, errors, threads and calls know nothing of the fleet."""
        assert own_imports(module) <= {"errors", "launch", "pool"} - {module}

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

    @pytest.mark.parametrize("module", ["cli.checks", "cli.definition_checks", "cli.permissions"])
    def test_checks_are_pure(self, module):
        """A check is told everything: it asks nobody."""
        assert own_imports(module) <= {"cli.checks", "cli.definition_checks", "outcome", "fitting", "sizes"}

    def test_commands_are_defined_with_nothing_heavy(self):
        """Airflow makes its parser for each command: the definition imports no other module of ours."""
        assert own_imports("cli.definition") == set()

    def test_no_module_imports_itself_by_way_of_others(self):
        """The modules can be put in an order in which each imports only those before it."""
        left = {module: own_imports(module) for module in MODULES}
        while left:
            free = [module for module, needs in left.items() if not needs & left.keys()]
            assert free, f"these import each other: {left}"
            for module in free:
                del left[module]


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

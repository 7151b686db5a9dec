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
"""
The registration of FargateExecutor in Airflow's Python sources.

Since 2.7 a core executor has its name in four places: a constant and the set ``CORE_EXECUTOR_NAMES`` in
``executor_constants.py``, an import and the dict ``ExecutorLoader.executors`` in ``executor_loader.py``. Half a
registration fails, so each function does the whole of its file or raises. KubernetesExecutor, which stands in
all four places of every release, is the neighbour that tells where ours belongs.
"""

from __future__ import annotations

from functools import cache

import libcst as cst
import libcst.matchers as m
from libcst.helpers import get_full_name_for_node

from tools.overlay.errors import OverlayError
from tools.overlay.python_source import NAME, only, parse, put_beside

CONSTANT = "FARGATE_EXECUTOR"
CLASS_PATH = "airflow.executors.fargate_executor.FargateExecutor"
NEIGHBOUR = "KUBERNETES_EXECUTOR"
CONSTANTS_MODULE = "airflow.executors.executor_constants"


@cache
def register_name(source: bytes) -> bytes:
    """
    Return ``executor_constants.py`` with our constant, and with it in ``CORE_EXECUTOR_NAMES``.

    :raises OverlayError: the file is not of the form that the edit needs
    """
    module = parse(source)
    names = only(_values(module, "CORE_EXECUTOR_NAMES", m.Set()), "set CORE_EXECUTOR_NAMES")
    entry = cst.Element(cst.Name(CONSTANT))
    module = module.with_deep_changes(
        names, elements=put_beside(names.elements, _index_by_value(names), entry)
    )
    return _with_constant(module).bytes


@cache
def register_class(source: bytes) -> bytes:
    """
    Return ``executor_loader.py`` with our constant imported, and with our entry in ``ExecutorLoader.executors``.

    :raises OverlayError: the file is not of the form that the edit needs
    """
    module = parse(source)
    loader = only(m.findall(module, m.ClassDef(name=m.Name("ExecutorLoader"))), "class ExecutorLoader")
    executors = only(_values(loader, "executors", m.Dict()), "dict ExecutorLoader.executors")
    entry = cst.DictElement(cst.Name(CONSTANT), cst.SimpleString(f'"{CLASS_PATH}"'))
    index = only(
        [
            i
            for i, e in enumerate(executors.elements)
            if isinstance(e, cst.DictElement) and _is_neighbour(e.key)
        ],
        f"entry {NEIGHBOUR} in ExecutorLoader.executors",
    )
    module = module.with_deep_changes(executors, elements=put_beside(executors.elements, index, entry))
    return _with_import(module).bytes


def _with_constant(module: cst.Module) -> cst.Module:
    line = m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(m.Name(NEIGHBOUR))])])
    index = only([i for i, node in enumerate(module.body) if m.matches(node, line)], f"constant {NEIGHBOUR}")
    ours = cst.parse_statement(f'{CONSTANT} = "{NAME}"\n', config=module.config_for_parsing)
    return module.with_changes(body=[*module.body[: index + 1], ours, *module.body[index + 1 :]])


def _with_import(module: cst.Module) -> cst.Module:
    imports = only(
        [
            node
            for node in m.findall(module, m.ImportFrom(module=m.Attribute()))
            if get_full_name_for_node(node.module) == CONSTANTS_MODULE
        ],
        f"import from {CONSTANTS_MODULE}",
    )
    if isinstance(imports.names, cst.ImportStar):
        raise OverlayError(f"the import from {CONSTANTS_MODULE} names nothing")
    # isort puts constants first, each kind in the order of the alphabet.
    constants = [i for i, alias in enumerate(imports.names) if alias.evaluated_name.isupper()]
    before = [i for i in constants if imports.names[i].evaluated_name < CONSTANT]
    if not before or not any(_is_neighbour(alias.name) for alias in imports.names):
        raise OverlayError(f"the import from {CONSTANTS_MODULE} does not name {NEIGHBOUR}")
    names = put_beside(imports.names, before[-1], cst.ImportAlias(cst.Name(CONSTANT)))
    return module.with_deep_changes(imports, names=names)


def _values(scope: cst.CSTNode, name: str, kind: m.BaseMatcherNode) -> list:
    """All values that are given to ``name``, wherever in ``scope``; one that is not of ``kind`` is refused."""
    assigned = m.findall(
        scope, m.Assign(targets=[m.AssignTarget(m.Name(name))]) | m.AnnAssign(target=m.Name(name))
    )
    values = [node.value for node in assigned]
    if not all(value is not None and m.matches(value, kind) for value in values):
        raise OverlayError(f"{name} is no plain literal")
    return values


def _index_by_value(names: cst.Set) -> int:
    found = [i for i, element in enumerate(names.elements) if _is_neighbour(element.value)]
    return only(found, f"member {NEIGHBOUR} of CORE_EXECUTOR_NAMES")


def _is_neighbour(node: cst.CSTNode | None) -> bool:
    return m.matches(node, m.Name(NEIGHBOUR)) if node is not None else False

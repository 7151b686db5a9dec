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
"""The executor's name among the parameters of Airflow's own tests of the executor loader."""

from __future__ import annotations

import ast
from functools import cache

import libcst as cst
import libcst.matchers as m

from tools.overlay.errors import OverlayError
from tools.overlay.python_source import NAME, only, parse, put_beside

NEIGHBOUR = "KubernetesExecutor"
# The tests whose parameters are the names of core executors, and what they take of each.
TESTS = {
    "test_should_support_executor_from_core": f'"{NAME}"',
    "test_should_support_import_executor_from_core": f'("{NAME}", "{NAME}")',
}


@cache
def add_parameters(source: bytes) -> bytes:
    """
    Return ``test_executor_loader.py`` with our name before KubernetesExecutor's in both tables.

    :raises OverlayError: the file is not of the form that the edit needs
    """
    module = parse(source)
    for test, ours in TESTS.items():
        module = _with_parameter(module, test, ours)
    return module.bytes


def _with_parameter(module: cst.Module, test: str, ours: str) -> cst.Module:
    function = only(m.findall(module, m.FunctionDef(name=m.Name(test))), f"function {test}")
    theirs = ast.literal_eval(ours.replace(NAME, NEIGHBOUR))
    places = [
        (table, index)
        for decorator in function.decorators
        for table in m.findall(decorator, m.List())
        for index, element in enumerate(table.elements)
        if _value(module, element) == theirs
    ]
    table, index = only(places, f"parameter {NEIGHBOUR} of {test}")
    if index == 0:
        raise OverlayError(f"{NEIGHBOUR} is the first parameter of {test}; there is no form to follow")
    elements = put_beside(table.elements, index - 1, cst.Element(cst.parse_expression(ours)))
    return module.with_deep_changes(table, elements=elements)


def _value(module: cst.Module, element: cst.BaseElement) -> object:
    try:
        return ast.literal_eval(module.code_for_node(element.value))
    except ValueError:
        return None

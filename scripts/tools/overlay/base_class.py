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
"""Whether an Airflow's ``BaseExecutor`` is the one that FargateExecutor is written for."""

from __future__ import annotations

import ast

from tools.overlay.errors import OverlayError
from tools.overlay.python_source import only

PATH = "executors/base_executor.py"
CLASS = "BaseExecutor"
#: What the executor overrides, and the heartbeat has to call.
HOOKS = ("trigger_tasks", "sync")
#: Queues and buffers that the executor reads and writes.
ATTRIBUTES = ("queued_tasks", "running", "event_buffer")


def check_base(source: bytes) -> None:
    """
    See that what FargateExecutor rests on is there.

    After 3.3 Airflow's main has a queue for each type of workload, and its heartbeat calls ``trigger_workloads``.

    :param source: ``base_executor.py``
    :raises OverlayError: with the names of what is missing
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise OverlayError(f"not Python that can be read: {error.msg}") from error
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == CLASS]
    body = only(found, f"class {CLASS}").body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    called = _of_self(functions.get("heartbeat"), ast.Load)
    assigned = _of_self(functions.get("__init__"), ast.Store)
    missing = [f"its heartbeat does not call {name}" for name in HOOKS if name not in called]
    missing += [f"it makes no {name}" for name in ATTRIBUTES if name not in assigned]
    if missing:
        raise OverlayError(
            f"{CLASS} is not one that FargateExecutor works with yet: {', '.join(missing)}. The executor's "
            "compat.py is to be taught its queues"
        )


def _of_self(function: ast.FunctionDef | None, use: type[ast.expr_context]) -> set[str]:
    """Return the attributes of ``self`` that a function reads or writes."""
    return {
        node.attr
        for node in (ast.walk(function) if function else ())
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, use)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }

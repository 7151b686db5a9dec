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
What FargateExecutor needs of Airflow's ``BaseExecutor``.

A tree is judged by this and not by its number, so that the overlay also works on releases that are newer than it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from tools.overlay.errors import OverlayError
from tools.overlay.python_source import only

PATH = "executors/base_executor.py"
CLASS = "BaseExecutor"


@dataclass(frozen=True)
class Interface:
    """
    What it needs in some releases.

    :param called: methods that it overrides, and that the heartbeat has to call
    :param made: what it reads and writes, and ``__init__`` has to make
    :param methods: the others that it overrides, and those that it calls
    """

    called: tuple[str, ...]
    made: tuple[str, ...]
    methods: tuple[str, ...]


_MADE = ("running", "event_buffer", "_task_event_logs")
_METHODS = (
    *("start", "end", "terminate", "debug_dump", "get_cli_commands"),
    *("has_task", "revoke_task", "try_adopt_task_instances"),
    *("success", "fail", "running_state"),
)

#: The newest one first.
INTERFACES = {
    "3.4 and newer": Interface(
        ("trigger_workloads", "sync"),
        ("executor_queues", *_MADE),
        (*_METHODS, "_process_workloads", "get_task_key", "get_workload_key", "get_streaming_task_log"),
    ),
    "2.11 to 3.3": Interface(
        ("trigger_tasks", "sync"), ("queued_tasks", *_MADE), (*_METHODS, "get_task_log")
    ),
}


def check_base(source: bytes) -> None:
    """
    See that the class has one of the interfaces.

    :param source: ``base_executor.py``
    :raises OverlayError: with the names of what is missing of the interface that is nearest
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise OverlayError(f"not Python that can be read: {error}") from error
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == CLASS]
    body = only(found, f"class {CLASS}").body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    missing = min((_missing(interface, functions) for interface in INTERFACES.values()), key=len)
    if missing:
        raise OverlayError(f"{CLASS} is not one that FargateExecutor works with: {', '.join(missing)}")


def _missing(interface: Interface, functions: dict[str, ast.FunctionDef]) -> list[str]:
    """Return, in words, what a class with these methods lacks."""
    called = _of_self(functions.get("heartbeat"), ast.Load)
    made = _of_self(functions.get("__init__"), ast.Store)
    needed = (*interface.called, *interface.methods)
    return [
        *(f"it has no method {name}" for name in needed if name not in functions),
        *(
            f"its heartbeat does not call {name}"
            for name in interface.called
            if name in functions and name not in called
        ),
        *(f"it makes no {name}" for name in interface.made if name not in made),
    ]


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

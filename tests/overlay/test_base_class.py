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
"""A release that nobody has seen yet is judged by its ``BaseExecutor``."""

from __future__ import annotations

import inspect
import re

import pytest
from tools.overlay.base_class import INTERFACES, PATH, check_base
from tools.overlay.errors import OverlayError
from tools.overlay.installation import Installation
from tools.overlay.layout import NEWEST_TESTED, find_tree

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate_executor import FargateExecutor

from tests.overlay.conftest import put

LINES = list(INTERFACES)
NEWEST = LINES[0]


def made_up(line):
    """Return the source of a base class that has what the executor needs, and nothing else."""
    interface = INTERFACES[line]
    methods = {
        "__init__": [f"self.{name} = {{}}" for name in interface.made],
        "heartbeat": [f"self.{name}()" for name in interface.called],
        **dict.fromkeys((*interface.called, *interface.methods), ["pass"]),
    }
    defined = (f"    def {name}(self):\n        {'; '.join(body)}\n" for name, body in methods.items())
    return f"class BaseExecutor:\n{''.join(defined)}"


@pytest.mark.parametrize("line", LINES)
def test_a_class_that_has_what_is_needed_is_taken(line):
    """Whatever its release is called."""
    check_base(made_up(line).encode())


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("def trigger_workloads(", "def trigger_all(", "it has no method trigger_workloads"),
        ("def revoke_task(", "def revoke(", "it has no method revoke_task"),
        ("def sync(", "async def sync(", "it has no method sync"),
        ("self.trigger_workloads()", "self.trigger_all()", "its heartbeat does not call trigger_workloads"),
        ("self.sync()", "sync()", "its heartbeat does not call sync"),
        ("def heartbeat(", "def beat(", "its heartbeat does not call trigger_workloads, .* call sync"),
        ("self.executor_queues =", "self.queues =", "it makes no executor_queues"),
        ("self.running = {}", "self.running", "it makes no running"),
        ("class BaseExecutor:", "class Base:", "no class BaseExecutor"),
        ("class BaseExecutor:", "class BaseExecutor: pass\nclass BaseExecutor:", "more than one class"),
        ("class BaseExecutor:", "class BaseExecutor(:", "not Python that can be read"),
        ("class BaseExecutor:", "\0", "not Python that can be read"),
    ],
)
def test_what_is_missing_is_named(old, new, message):
    """It is a method, an attribute, a call of the heartbeat, or the class itself."""
    source = made_up(NEWEST)
    assert old in source
    with pytest.raises(OverlayError, match=message):
        check_base(source.replace(old, new).encode())


def renumbered(tree, version):
    """Return the tree as a release of another number."""
    path = tree.package / "__init__.py"
    text = path.read_text(encoding="utf-8")
    put(path, text.replace(f'__version__ = "{tree.version}"', f'__version__ = "{version}"'))
    return find_tree(tree.package)


def test_a_newer_release_is_taken_and_the_newest_tested_is_named_once(overlay, tree):
    """With ``apply``, and not again where there is nothing to do."""
    installation = Installation(overlay, renumbered(tree, "9.9.0.dev0"))
    warning = f"Tested up to Airflow {NEWEST_TESTED}."
    assert installation.apply().lines.count(warning) == 1
    assert warning not in installation.apply().lines
    status = installation.status()
    assert status.settled
    assert warning not in status.lines


@pytest.mark.parametrize("applied", [False, True])
def test_each_command_names_what_a_newer_release_lacks(overlay, tree, applied):
    """Also where an upgrade of Airflow has brought it under an overlay."""
    installation = Installation(overlay, renumbered(tree, "9.9.0"))
    if applied:
        installation.apply()
    path = tree.package / PATH
    put(path, path.read_text(encoding="utf-8").replace("def revoke_task(", "def revoke("))
    missing = rf"{PATH}: .*it has no method revoke_task\. Tested up to Airflow {NEWEST_TESTED}\."
    for command in (installation.apply, installation.diff):
        with pytest.raises(OverlayError, match=missing):
            command()
    status = installation.status()
    assert not status.settled
    _, first, told = status.lines
    assert first.startswith("applied: " if applied else "not applied")
    assert re.search(missing, told)


@pytest.mark.skipif(
    not hasattr(BaseExecutor, "trigger_workloads"), reason="no release of that line is to come"
)
def test_the_table_has_all_that_the_executor_overrides():
    """Where this fails, add to the newest line what the executor overrides now."""
    known = {"__init__", *INTERFACES[NEWEST].called, *INTERFACES[NEWEST].methods}
    ours = {
        name
        for cls in FargateExecutor.__mro__
        if cls.__module__.startswith("airflow.executors.fargate")
        for name in vars(cls)
    }
    theirs = {name for name, member in vars(BaseExecutor).items() if inspect.isroutine(member)}
    assert ours & theirs <= known

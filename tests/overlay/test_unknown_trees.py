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
"""Trees that the overlay does not know: refused with one message, and untouched."""

from __future__ import annotations

import pytest
from tools.overlay.errors import OverlayError
from tools.overlay.installation import Installation
from tools.overlay.layout import find_tree

from tests.overlay.conftest import put, snapshot

CONSTANTS = "executors/executor_constants.py"
LOADER = "executors/executor_loader.py"
CONFIG = "config_templates/config.yml"


def without_line(part):
    return lambda text: "".join(line for line in text.splitlines(keepends=True) if part not in line)


def with_text(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new)

    return change


def with_end(more):
    return lambda text: text + more


UNKNOWN = [
    (CONSTANTS, with_text("CORE_EXECUTOR_NAMES = {", "CORE_NAMES = {"), "no set CORE_EXECUTOR_NAMES"),
    (CONSTANTS, with_text("CORE_EXECUTOR_NAMES = {", "CORE_EXECUTOR_NAMES = OTHERS | {"), "no plain literal"),
    (
        CONSTANTS,
        with_end("CORE_EXECUTOR_NAMES = {LOCAL_EXECUTOR}\n"),
        "more than one set CORE_EXECUTOR_NAMES",
    ),
    (CONSTANTS, with_end("CORE_EXECUTOR_NAMES: set[str] = {MOCK_EXECUTOR}\n"), "more than one set"),
    (CONSTANTS, without_line("KUBERNETES_EXECUTOR,"), "no member KUBERNETES_EXECUTOR"),
    (CONSTANTS, with_text('KUBERNETES_EXECUTOR = "', 'K8S_EXECUTOR = "'), "no constant KUBERNETES_EXECUTOR"),
    (CONSTANTS, with_end('FARGATE_EXECUTOR = "FargateExecutor"\n'), "stands there already"),
    (CONSTANTS, with_end("def broken(:\n"), "not Python that can be read"),
    (LOADER, with_text("class ExecutorLoader:", "class Loader:"), "no class ExecutorLoader"),
    (
        LOADER,
        with_end("\n\nclass ExecutorLoader:\n    executors = {}\n"),
        "more than one class ExecutorLoader",
    ),
    (LOADER, with_text("    executors = {", "    names = {"), "no dict ExecutorLoader.executors"),
    (LOADER, with_text("    executors = {", "    executors = {}\n    executors = {"), "more than one dict"),
    (LOADER, with_text("    executors = {", "    executors = OTHERS | {"), "executors is no plain literal"),
    (LOADER, without_line("    KUBERNETES_EXECUTOR,"), "does not name KUBERNETES_EXECUTOR"),
    (LOADER, with_text("KUBERNETES_EXECUTOR:", "LOCAL_EXECUTOR:"), "no entry KUBERNETES_EXECUTOR"),
    (LOADER, with_text("from airflow.executors.executor_constants", "from airflow.names"), "no import from"),
    (LOADER, with_end("# FargateExecutor\n"), "stands there already"),
    (CONFIG, lambda text: "- name: core\n  options: []\n", "its sections are no mapping"),
    (CONFIG, lambda text: "a: [1\n", "not YAML that can be read"),
    (CONFIG, with_text("\ncore:\n", "\nkernel:\n"), "not those of an Airflow configuration"),
    (CONFIG, with_end("core:\n  description: ~\n  options: {}\n"), "each once"),
    (CONFIG, with_end("fargate:\n  description: ~\n  options: {}\n"), "section fargate stands there already"),
    (CONFIG, with_end("...\n"), "does not end where a section can follow"),
    ("__init__.py", with_text('__version__ = "', '__release__ = "'), "no single __version__"),
    ("__init__.py", lambda text: '__version__ = "2.10.5"\n', "FargateExecutor needs 2.11 or newer"),
    ("__init__.py", lambda text: '__version__ = "4.0"\n', "has no three numbers"),
]


@pytest.mark.parametrize("name", [CONSTANTS, LOADER, CONFIG, "__init__.py"])
def test_an_unknown_tree_is_refused(overlay, tree, name):
    """One message says what the overlay did not find, and nothing in the tree is other than before."""
    path = tree.package / name
    known = path.read_text(encoding="utf-8")
    for change, message in [(change, message) for changed, change, message in UNKNOWN if changed == name]:
        path.write_text(change(known), encoding="utf-8")
        before = snapshot(tree.package)
        with pytest.raises(OverlayError, match=message):
            Installation(overlay, find_tree(tree.package)).apply()
        assert snapshot(tree.package) == before, message


def test_a_missing_file_is_refused(installation, tree):
    """A tree without the constants has no place for ours."""
    (tree.package / CONSTANTS).unlink()
    before = snapshot(tree.package)
    with pytest.raises(OverlayError, match=r"executor_constants\.py is missing"):
        installation.apply()
    assert snapshot(tree.package) == before


@pytest.mark.parametrize(
    "template, message",
    [
        ("fargate:\n  description: ~\n", "schema of Airflow's config.yml"),
        ("fargate: {}\nother: {}\n", "does not consist of the one section"),
        ("- fargate\n", "does not consist of the one section"),
        (
            "fargate:\n  description: ~\n  options:\n    cluster:\n      description: ~\n",
            "option cluster lacks default",
        ),
        (None, "not the airflow folder of this repository"),
    ],
)
def test_a_section_that_cannot_be_laid_is_refused(installation, overlay, tree, template, message):
    """A mistake in our own file shows before anything is written, and is not called the tree's."""
    path = overlay.root / "config_templates/fargate.yml"
    path.unlink() if template is None else put(path, template)
    before = snapshot(tree.package)
    with pytest.raises(OverlayError, match=message) as refused:
        installation.apply()
    assert "does not know this tree" not in str(refused.value)
    assert snapshot(tree.package) == before

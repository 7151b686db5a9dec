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
"""Source checkouts in the layouts that Airflow's repository has had: the installed package, and few files of our own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tools.overlay.layout import find_tree

from tests.overlay.conftest import TOUCHED, clone, put


@dataclass(frozen=True)
class Layout:
    """Where what lies, relative to the checkout's root."""

    package: str
    tests: str
    docs: str
    newsfragments: str


LAYOUTS = {
    "old": Layout(
        "airflow", "tests/executors", "docs/apache-airflow/core-concepts/executor", "newsfragments"
    ),
    "new": Layout(
        "airflow-core/src/airflow",
        "airflow-core/tests/unit/executors",
        "airflow-core/docs/core-concepts/executor",
        "airflow-core/newsfragments",
    ),
}
METRICS = "shared/observability/src/airflow_shared/observability/metrics"
DISTRIBUTED_METRICS = "src/airflow/_shared/observability/metrics"

LOADER_TEST = """\
import pytest


class TestLoader:
    @pytest.mark.parametrize(
        "name",
        [
            "CeleryExecutor",
            "KubernetesExecutor",  # of a provider
            "LocalExecutor",
        ],
    )
    def test_should_support_executor_from_core(self, name):
        assert name

    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            ("CeleryExecutor", "CeleryExecutor"),
            ("KubernetesExecutor", "KubernetesExecutor"),
            ("KubernetesExecutor, LocalExecutor", "KubernetesExecutor"),
        ],
    )
    def test_should_support_import_executor_from_core(self, config, expected):
        assert config.startswith(expected)
"""
INDEX = """\
Executors
=========

*Batch Executors*

**Examples**:

* :doc:`CeleryExecutor <elsewhere:celery>`

*Containerized Executors*

Each task has a container.

**Examples**:

* :doc:`KubernetesExecutor <elsewhere:kubernetes>`
* :doc:`OtherExecutor <elsewhere:other>`

.. note::

    **Examples**: are more than these.

Monitoring
----------
"""
EXECUTORS = ["LocalExecutor", "CeleryExecutor", "KubernetesExecutor", "CeleryKubernetesExecutor", "a.b.Other"]
VALUES = f"""\
# Which executor
# One of: {", ".join(EXECUTORS[:-1])}
executor: "CeleryExecutor"
other: 1
"""
# The comments of the charts that name executors no longer one by one, and the pattern that these have.
VALUES_OF_ANY = """\
# Airflow executor
# One or multiple of: LocalExecutor, CeleryExecutor, KubernetesExecutor
executor: "CeleryExecutor"
other: 1
"""
ANY_NAME = "(([a-zA-Z_][a-zA-Z0-9_]*.)*[A-Z][a-zA-Z0-9]+Executor)"
REGISTRY = """\
---
metrics:
  # Counters
  - name: "a"
    description: "Number of
    things"
    type: "counter"
    legacy_name: "-"
    name_variables: []

  # Gauges
  - name: "b"
    description: "Things"
    type: "gauge"
    legacy_name: "b.{x}"
    name_variables: ["x"]

  # Timers
  - name: "c"
    description: "Milliseconds"
    type: "timer"
    legacy_name: "-"
    name_variables: []
"""


def schema(kind: str) -> str:
    """Return the chart's schema: a list of executors (``enum``), several of them (``pattern``), any name (``any``)."""
    any_of = ANY_NAME if kind == "any" else "(" + "|".join(EXECUTORS) + ")"
    names = {"enum": EXECUTORS} if kind == "enum" else {"pattern": f"^{any_of}(,{any_of})*$"}
    executor = {"type": "string", "default": "CeleryExecutor", **names}
    other = {"enum": ["LocalExecutor", "CeleryKubernetesExecutor"]}
    return json.dumps({"properties": {"other": other, "executor": executor, "last": {}}}, indent=4) + "\n"


def make_checkout(
    root: Path, layout: Layout, version: str = "", chart: str = "", metrics: bool = False, sdk: bool = True
) -> Path:
    """
    Make a checkout around a copy of the Airflow that runs the tests, and return its root.

    :param version: what the tree says that it is, if not what the Airflow is
    :param chart: ``enum``, ``pattern`` or ``any``: with a Helm chart whose schema lists executors so
    :param metrics: with a registry of metrics
    :param sdk: with Airflow's Task SDK
    """
    clone(find_tree().package, root / layout.package, only=TOUCHED)
    files = {
        "pyproject.toml": "",
        f"{layout.tests}/__init__.py": "# A licence\n",
        f"{layout.tests}/test_executor_loader.py": LOADER_TEST,
        f"{layout.docs}/index.rst": INDEX,
        f"{layout.newsfragments}/config.toml": "",
    }
    if version:
        files[f"{layout.package}/__init__.py"] = f'__version__ = "{version}"\n'
    if chart:
        values = VALUES_OF_ANY if chart == "any" else VALUES
        files |= {"chart/values.yaml": values, "chart/values.schema.json": schema(chart)}
    if metrics:
        files[f"{METRICS}/metrics_template.yaml"] = REGISTRY
    if sdk:
        files["task-sdk/pyproject.toml"] = ""
    for name, content in files.items():
        put(root / name, content)
    return root


def make_distribution(root: Path) -> Path:
    """Make a source distribution of Airflow's core around a copy of the Airflow that runs the tests; return its root."""
    clone(find_tree().package, root / "src/airflow", only=TOUCHED)
    for name in ("PKG-INFO", "pyproject.toml"):
        put(root / name, "")
    put(root / DISTRIBUTED_METRICS / "metrics_template.yaml", REGISTRY)
    return root

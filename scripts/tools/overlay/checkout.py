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
"""Finds its way in a source checkout of Airflow, whose layout differs from time to time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.overlay.errors import OverlayError

# Where a checkout keeps the package: to 2.11, and on main until March 2025; since then.
PACKAGES = ("airflow", "airflow-core/src/airflow")
# Where the core's source distribution has it, which takes what is ours as the folder airflow-core of a checkout does.
DISTRIBUTED = "src/airflow"


@dataclass(frozen=True)
class Checkout:
    """
    A source checkout. Folders and files are named relative to its root.

    :param root: the repository's top folder
    :param package: the ``airflow`` package
    :param tests: the tests of executors
    :param docs: the documentation of executors
    :param newsfragments: what becomes the release notes
    :param chart: the Helm chart, where there is one
    :param metrics: the registry of metrics, where there is one
    """

    root: Path
    package: str
    tests: str
    docs: str
    newsfragments: str
    chart: str | None = None
    metrics: str | None = None

    @property
    def is_distribution(self) -> bool:
        """Whether it is the core's source distribution, which has the package alone."""
        return self.package == DISTRIBUTED


def find_checkout(package: Path) -> Checkout | None:
    """
    Return the checkout that a package is the source of, None for an installed one.

    Every part is looked for by itself: they have moved at different times.

    :raises OverlayError: it is a checkout, and one of the parts is missing or there twice
    """
    for place in PACKAGES:
        root = _above(package, place)
        if root is not None and (root / "pyproject.toml").is_file():
            return Checkout(
                root,
                place,
                tests=_part(root, "tests of executors", _TESTS, "test_executor_loader.py"),
                docs=_part(root, "documentation of executors", _DOCS, "index.rst"),
                newsfragments=_part(root, "newsfragments", _NEWSFRAGMENTS, "config.toml"),
                chart=_optional(root, "Helm chart", _CHART, "values.schema.json"),
                metrics=_optional(root, "registry of metrics", _METRICS, "metrics_template.yaml"),
            )
    root = _above(package, DISTRIBUTED)
    if root is not None and (root / "PKG-INFO").is_file():
        return Checkout(
            root,
            DISTRIBUTED,
            tests="tests/unit/executors",
            docs="docs/core-concepts/executor",
            newsfragments="newsfragments",
            metrics=_optional(root, "registry of metrics", _METRICS, "metrics_template.yaml"),
        )
    if any((folder / "pyproject.toml").is_file() for folder in (package.parent, package.parent.parent)):
        raise OverlayError(
            f"{package} lies in a source tree, but not where a checkout of Airflow's repository has it "
            f"({' or '.join(PACKAGES)}). Name a whole checkout, or an installed Airflow."
        )
    return None


_TESTS = ("tests/executors", "airflow-core/tests/unit/executors")
_DOCS = ("docs/apache-airflow/core-concepts/executor", "airflow-core/docs/core-concepts/executor")
_NEWSFRAGMENTS = ("newsfragments", "airflow-core/newsfragments")
_CHART = ("chart",)
_METRICS = (
    "shared/observability/src/airflow_shared/observability/metrics",
    "src/airflow/_shared/observability/metrics",
)


def _above(package: Path, place: str) -> Path | None:
    root = package.parents[place.count("/")]
    return root if root / place == package else None


def _part(root: Path, what: str, places: tuple[str, ...], landmark: str) -> str:
    found = _optional(root, what, places, landmark)
    if found is None:
        wanted = " or ".join(f"{place}/{landmark}" for place in places)
        raise OverlayError(f"{root} is a source tree without {what}: no {wanted}. Name a whole checkout.")
    return found


def _optional(root: Path, what: str, places: tuple[str, ...], landmark: str) -> str | None:
    found = [place for place in places if (root / place / landmark).is_file()]
    if len(found) > 1:
        raise OverlayError(f"{root} has {what} at more than one place: {', '.join(found)}.")
    return found[0] if found else None

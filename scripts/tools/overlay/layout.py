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
"""Finds the Airflow that the overlay is laid on, without importing it."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from tools.overlay.checkout import DISTRIBUTED, PACKAGES, Checkout, find_checkout
from tools.overlay.errors import OverlayError

OLDEST_SUPPORTED = (2, 11)
#: The newest release that tests/overlay lays the overlay on; newer ones are judged by what they have.
NEWEST_TESTED = "3.4.0b2"

# What makes a folder the ``airflow`` package of a release with executors and a configuration to register in.
LANDMARKS = ("__init__.py", "executors/executor_loader.py", "config_templates/config.yml")

# Where a package lies below the folder that a person names, where that is not the package itself: site-packages, an
# environment, a source checkout.
PLACES = (*PACKAGES, DISTRIBUTED, "lib/python3.*/site-packages/airflow", "Lib/site-packages/airflow")

_VERSION = re.compile(r"^__version__ = \"(?P<version>(?P<major>\d+)\.(?P<minor>\d+)[^\"]*)\"$", re.MULTILINE)


@dataclass(frozen=True)
class Tree:
    """
    An Airflow tree.

    :param package: the ``airflow`` package's folder
    :param version: the release as the tree itself states it, such as ``3.3.2``
    :param checkout: the source checkout that the package belongs to, None for an installed one
    """

    package: Path
    version: str
    checkout: Checkout | None = None

    @property
    def root(self) -> Path:
        """The folder that every path of a plan is relative to."""
        return self.checkout.root if self.checkout else self.package

    @property
    def has_sdk(self) -> bool:
        """Whether it has the Task SDK, of which DAGs import: in the package, or beside it, as the core's distribution has it."""
        if self.checkout and (self.checkout.is_distribution or (self.checkout.root / "task-sdk").is_dir()):
            return True
        return (self.package / "sdk").is_dir()

    @property
    def warning(self) -> str:
        """Which newest release was tested, in a sentence; empty where that is this one, or this one is older."""
        is_older = _numbers(self.version) < _numbers(NEWEST_TESTED)
        return "" if is_older or self.version == NEWEST_TESTED else f"Tested up to Airflow {NEWEST_TESTED}."

    def place(self, path: str) -> str:
        """Return where a file of the package lies below the root."""
        return f"{self.checkout.package}/{path}" if self.checkout else path


def find_tree(target: Path | None = None) -> Tree:
    """
    Find the tree in a virtual environment, a site-packages folder, an ``airflow`` package folder or a source checkout.

    :param target: the folder; None means the Airflow of the running interpreter
    :raises OverlayError: there is none, there are several, or it is not one that the overlay knows
    """
    package = _package_of_interpreter() if target is None else _package_below(target)
    return Tree(package, _version(package), find_checkout(package))


def _package_of_interpreter() -> Path:
    # For a top-level name find_spec looks, but imports nothing.
    spec = importlib.util.find_spec("airflow")
    if spec is None or spec.origin is None:
        raise OverlayError(
            "This Python has no Airflow. Run the overlay with the Python of Airflow's environment, or name "
            "that environment: overlay.py COMMAND TARGET"
        )
    return _package_below(Path(spec.origin).parent)


def _package_below(target: Path) -> Path:
    if not target.is_dir():
        raise OverlayError(f"{target} is not a folder.")
    candidates = [target, *(path for place in PLACES for path in target.glob(place))]
    found = {path.resolve() for path in candidates if _is_package(path)}
    if not found:
        raise OverlayError(
            f"{target} holds no Airflow that the overlay knows: one has {', '.join(LANDMARKS)}. Name its virtual "
            "environment, its site-packages folder, its airflow folder or a source checkout."
        )
    if len(found) > 1:
        raise OverlayError(
            f"{target} holds more than one Airflow; name one: {', '.join(map(str, sorted(found)))}"
        )
    return found.pop()


def _is_package(folder: Path) -> bool:
    return all((folder / landmark).is_file() for landmark in LANDMARKS)


def _version(package: Path) -> str:
    stated = _VERSION.findall((package / "__init__.py").read_text(encoding="utf-8"))
    if len(stated) != 1:
        raise OverlayError(f'{package}/__init__.py states no single __version__ = "…"; this tree is unknown.')
    version, major, minor = stated[0]
    if (int(major), int(minor)) < OLDEST_SUPPORTED:
        oldest = ".".join(map(str, OLDEST_SUPPORTED))
        raise OverlayError(f"{package} is Airflow {version}; FargateExecutor needs {oldest} or newer.")
    return version


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version, without those of a pre-release."""
    return [int(number) for number in re.match(r"[\d.]*", version).group().strip(".").split(".")]

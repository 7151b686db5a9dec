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
"""What is to be in the tree: the repository's files, and Airflow's files with our lines in them. Writes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from overlay_parts.config_section import add_section, dated_section
from overlay_parts.errors import OverlayError
from overlay_parts.registration import register_class, register_name

if TYPE_CHECKING:
    from overlay_parts.layout import Tree

CONFIG_TEMPLATE = "config_templates/fargate.yml"


@dataclass(frozen=True)
class Material:
    """
    What edits put in, beyond what is the same for every tree.

    :param section: the section ``[fargate]`` as text of ``config.yml``
    """

    section: bytes


@dataclass(frozen=True)
class Overlay:
    """
    The repository's side.

    :param root: its ``airflow`` folder; each file below has the path that it takes in Airflow's package
    """

    root: Path

    def files(self) -> dict[str, Path]:
        """Return every file to lay, by its path in the package, without what Python and editors leave behind."""
        found = {path.relative_to(self.root).as_posix(): path for path in sorted(self.root.rglob("*"))}
        files = {name: path for name, path in found.items() if path.is_file() and not _is_litter(Path(name))}
        if CONFIG_TEMPLATE not in files:
            raise OverlayError(
                f"{self.root} is not the airflow folder of this repository: no {CONFIG_TEMPLATE}"
            )
        return files

    def material(self, tree: Tree) -> Material:
        """Return what the edits of a tree put in; raises OverlayError where our own files are in no state for it."""
        return Material(dated_section(self.files()[CONFIG_TEMPLATE].read_bytes(), tree.version))

    def version(self) -> str:
        """Return twelve hexadecimal digits that stand for the content of all files."""
        digest = hashlib.sha256()
        for name, path in self.files().items():
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()[:12]


@dataclass(frozen=True)
class EditRule:
    """
    One of Airflow's files that needs lines of ours.

    :param path: where it lies in the package
    :param does: what the edit puts in, in a few words
    :param mark: what stands in the file only after the edit
    :param edit: Airflow's bytes to the edited bytes; raises OverlayError where the place is not beyond doubt
    """

    path: str
    does: str
    mark: bytes
    edit: Callable[[bytes, Material], bytes]


RULES = (
    EditRule(
        "executors/executor_constants.py",
        "constant FARGATE_EXECUTOR, member of CORE_EXECUTOR_NAMES",
        b"FARGATE_EXECUTOR",
        lambda content, material: register_name(content),
    ),
    EditRule(
        "executors/executor_loader.py",
        "import, entry of ExecutorLoader.executors",
        b"FARGATE_EXECUTOR",
        lambda content, material: register_class(content),
    ),
    EditRule(
        "config_templates/config.yml",
        "section [fargate]",
        b"\nfargate:",
        lambda content, material: add_section(content, material.section),
    ),
)


@dataclass(frozen=True)
class Edit:
    """One of Airflow's files as it was and as it is to be."""

    rule: EditRule
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Plan:
    """All that ``apply`` brings about: edits of Airflow's files, and files of ours by their path in the package."""

    edits: tuple[Edit, ...]
    files: dict[str, Path]


def make_plan(overlay: Overlay, tree: Tree, originals: dict[str, bytes]) -> Plan:
    """
    Work out everything before anything is written.

    :param originals: Airflow's own bytes of each file that has a rule
    :raises OverlayError: an edit does not find its place, so that the tree is unknown; or a file of ours is at fault
    """
    material = overlay.material(tree)
    edits = []
    for rule in RULES:
        before = originals[rule.path]
        try:
            after = rule.edit(before, material)
            if rule.path.endswith(".py"):
                compile(after, rule.path, "exec")
        except (OverlayError, SyntaxError) as error:
            raise OverlayError(
                f"The overlay does not know this tree, Airflow {tree.version} in {tree.package}, and has left it as "
                f"it is. {rule.path}: {error}."
            ) from error
        edits.append(Edit(rule, before, after))
    return Plan(tuple(edits), overlay.files())


def _is_litter(path: Path) -> bool:
    return path.suffix == ".pyc" or any(
        part == "__pycache__" or part[0] == "." or part[-1] == "~" for part in path.parts
    )

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
"""What ``apply`` is about to bring about, worked out before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Union

from tools.overlay.base_class import PATH as BASE, check_base
from tools.overlay.config_section import dated_section
from tools.overlay.errors import OverlayError
from tools.overlay.metrics import read_metrics
from tools.overlay.own_imports import resolve
from tools.overlay.pages import for_a_tree
from tools.overlay.papers import NEWSFRAGMENT, PROPOSAL, newsfragment
from tools.overlay.rules import EditRule, Material, rules_for
from tools.overlay.selection import (
    BRIDGE,
    CONFIG_TEMPLATE,
    bridge_for,
    module_for,
    package_for,
    pages_for,
    tests_for,
)

if TYPE_CHECKING:
    from tools.overlay.layout import Tree

# The page that the others hang on; it has the table of metrics.
MAIN_PAGE = "fargate.rst"
# Where Airflow's own checks ask for imports of the one release, which users read.
EXAMPLES = "example_dags/"
LICENCE_LINES = 16


@dataclass(frozen=True)
class Text:
    """A file that is written for the tree, and lies nowhere in the repository."""

    content: bytes

    def read_bytes(self) -> bytes:
        return self.content


# What has the content of a file to lay.
Source = Union[Path, Text]


@dataclass(frozen=True)
class Overlay:
    """
    The repository's side.

    :param root: its ``airflow`` folder; each file below has the path that it takes in Airflow's package
    :param pull_request: the number that the newsfragment of a source tree is named by
    """

    root: Path
    pull_request: int = field(default=PROPOSAL)

    def files(self, tree: Tree | None = None) -> dict[str, Source]:
        """
        Return every file to lay, by its path in the tree, without what Python and editors leave behind.

        :param tree: a source tree takes tests, documentation and a newsfragment, too; None: an installed one
        """
        package = _below(self.root)
        if CONFIG_TEMPLATE not in package:
            raise OverlayError(
                f"{self.root} is not the airflow folder of this repository: no {CONFIG_TEMPLATE}"
            )
        if tree is None or tree.checkout is None:
            return package
        kept = package_for(package, tree.version)
        laid = {tree.place(name): _as_in_a_tree(path) for name, path in kept.items()}
        for name in kept:
            if name.startswith(EXAMPLES):
                laid[tree.place(name)] = Text(resolve(kept[name].read_bytes(), tree.has_sdk))
        if BRIDGE in package:
            for name, content in bridge_for(package[BRIDGE].read_bytes(), kept).items():
                laid[tree.place(name)] = Text(content)
        return laid | dict(self._papers(tree))

    def _papers(self, tree: Tree) -> Iterator[tuple[str, Source]]:
        """Yield what a pull request has beside the package."""
        checkout = tree.checkout
        tests = tests_for(_below(self.root.parent / "tests" / "executors"), tree.version)
        for name, path in tests.items():
            yield f"{checkout.tests}/{name}", _as_in_a_tree(path)
        if (checkout.root / checkout.tests / "__init__.py").is_file():
            # Airflow's tests are packages; here they are not.
            for folder in sorted({Path(name).parent.as_posix() for name in tests} - {"."}):
                yield f"{checkout.tests}/{folder}/__init__.py", Text(_licence(next(iter(tests.values()))))
        for name, path in self._pages().items():
            yield f"{checkout.docs}/{name}", Text(for_a_tree(path.read_bytes(), tree.version))
        yield newsfragment(checkout.newsfragments, self.pull_request), Text(NEWSFRAGMENT.encode())

    def _pages(self) -> dict[str, Path]:
        pages = pages_for(_below(self.root.parent / "docs" / "executor"))
        if MAIN_PAGE not in pages:
            raise OverlayError(f"{self.root.parent} is not this repository: no docs/executor/{MAIN_PAGE}")
        return pages

    def material(self, tree: Tree) -> Material:
        """Return what the edits of a tree put in; raises OverlayError where our own files are in no state for it."""
        section = dated_section((self.root / CONFIG_TEMPLATE).read_bytes(), tree.version)
        if tree.checkout is None:
            return Material(section)
        pages = self._pages()
        names = sorted(pages, key=lambda name: (name != MAIN_PAGE, name))
        metrics = read_metrics("\n".join(path.read_text(encoding="utf-8") for path in pages.values()))
        return Material(section, tuple(name.removesuffix(".rst") for name in names), metrics)

    def version(self, tree: Tree | None = None) -> str:
        """Return twelve hexadecimal digits that stand for the content of all files."""
        digest = hashlib.sha256()
        for name, source in self.files(tree).items():
            digest.update(f"{name}\0{hashlib.sha256(source.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Edit:
    """One of Airflow's files as it was and as it is to be."""

    rule: EditRule
    before: bytes
    after: bytes


@dataclass(frozen=True)
class Plan:
    """All that ``apply`` brings about: edits that change a file of Airflow's, and files of ours by their path."""

    edits: tuple[Edit, ...]
    files: dict[str, Source]

    def after(self) -> dict[str, bytes]:
        """Return the content of each of these files."""
        edited = {edit.rule.path: edit.after for edit in self.edits}
        return edited | {path: source.read_bytes() for path, source in self.files.items()}


def make_plan(overlay: Overlay, tree: Tree, originals: dict[str, bytes]) -> Plan:
    """
    Work out everything before anything is written.

    :param originals: Airflow's own bytes of each file that has a rule
    :raises OverlayError: an edit does not find its place, so that the tree is unknown; or a file of ours is at fault
    """
    files, material = overlay.files(tree), overlay.material(tree)
    edits = []
    with _refusing(tree, tree.place(BASE)):
        check_base((tree.package / BASE).read_bytes())
    for rule in rules_for(tree):
        before = originals[rule.path]
        with _refusing(tree, rule.path):
            after = rule.edit(before, material)
            if rule.path.endswith(".py"):
                compile(after, rule.path, "exec")
        if after != before:
            edits.append(Edit(rule, before, after))
    return Plan(tuple(edits), files)


@contextmanager
def _refusing(tree: Tree, path: str) -> Iterator[None]:
    """Tell of which of the tree's files an error is."""
    try:
        yield
    except (OverlayError, SyntaxError, OSError) as error:
        raise OverlayError(
            f"The overlay does not know this tree, Airflow {tree.version} in {tree.root}, and has left it as "
            f"it is. {path}: {error}. {tree.warning}".rstrip()
        ) from error


def _below(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    return {name: path for name, path in found.items() if path.is_file() and not _is_litter(Path(name))}


def _as_in_a_tree(path: Path) -> Source:
    content = path.read_bytes()
    changed = module_for(content, path.name)
    return path if changed == content else Text(changed)


def _licence(path: Path) -> bytes:
    """Return the licence header that a file of ours begins with."""
    return b"".join(path.read_bytes().splitlines(keepends=True)[:LICENCE_LINES])


def _is_litter(path: Path) -> bool:
    return path.suffix == ".pyc" or any(
        part == "__pycache__" or part[0] == "." or part[-1] == "~" for part in path.parts
    )

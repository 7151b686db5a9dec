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
"""Compares the tree with what was applied to it and with what is to be applied. Writes nothing."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tools.overlay.errors import OverlayError
from tools.overlay.journal import Entry, Journal, State, content_fingerprint, fingerprint, link_fingerprint
from tools.overlay.plan import Text, make_plan
from tools.overlay.rules import rules_for

if TYPE_CHECKING:
    from tools.overlay.layout import Tree
    from tools.overlay.plan import Overlay, Plan, Source
    from tools.overlay.rules import EditRule


class Survey:
    """What lies in the tree at this moment, against the state that the journal holds (None: nothing applied)."""

    def __init__(self, overlay: Overlay, tree: Tree, journal: Journal, state: State | None):
        self._overlay = overlay
        self._tree = tree
        self._journal = journal
        self._entries = {} if state is None else state.entries
        self._rules = rules_for(tree)

    def path(self, path: str | PurePosixPath) -> Path:
        return self._tree.root / path

    def present(self, path: str) -> str | None:
        """Return the fingerprint of what is at ``path`` now, None for nothing."""
        return fingerprint(self.path(path))

    def plan(self) -> tuple[Plan, list[str]]:
        """
        Return the plan, and the paths of the files that it edits and that are Airflow's own at this moment.

        :raises OverlayError: the tree is unknown
        """
        originals, own = {}, []
        for rule in self._rules:
            path = self.path(rule.path)
            if not path.is_file():
                raise OverlayError(
                    f"The overlay does not know this tree: {path} is missing. Nothing was changed."
                )
            if rule.path not in self._entries or self._is_unedited(rule):
                originals[rule.path] = path.read_bytes()
                own.append(rule.path)
            else:
                originals[rule.path] = self._journal.original(rule.path).read_bytes()
        plan = make_plan(self._overlay, self._tree, originals)
        edited = {edit.rule.path for edit in plan.edits}
        return plan, [path for path in own if path in edited]

    def wanted(self, plan: Plan, link: bool) -> dict[str, Entry]:
        """
        Return what the plan puts where.

        A file that is there already, and the same, stays whose it is.

        :raises OverlayError: a file of somebody else's is in the way
        """
        wanted = {
            edit.rule.path: Entry(content_fingerprint(edit.after), original=True) for edit in plan.edits
        }
        for path, source in plan.files.items():
            content = content_fingerprint(source.read_bytes())
            present = self.present(path)
            if present is None or path in self._entries:
                wanted[path] = Entry(_fingerprint(source, content, link))
            elif present != content:
                raise OverlayError(
                    f"{self.path(path)} is there and was not laid by this overlay. Remove it first (a wheel of "
                    "airflow-fargate-executor has such files: pip uninstall airflow-fargate-executor). Nothing was "
                    "changed."
                )
        return wanted

    def outdated(self, wanted: dict[str, Entry]) -> list[str]:
        return [path for path, entry in wanted.items() if self.present(path) != entry.now]

    def refuse_changes_by_others(self, wanted: dict[str, Entry]) -> None:
        """
        Protect what somebody wrote into a file since it was applied.

        :raises OverlayError: there is such a file, and it is not already as ``wanted``
        """
        changed = [
            f"  {self.path(path)}"
            for path in self.changed()
            if self.present(path) not in (None, wanted[path].now if path in wanted else None)
            and not self.was_replaced(path)
        ]
        if changed:
            raise OverlayError(
                "Changed since the overlay was applied:\n"
                + "\n".join(changed)
                + "\nNothing was done. Keep what you "
                "need of them, then use --force, which discards these changes."
            )

    def changed(self) -> list[str]:
        """Return what is not as it was applied; Python may write its caches as it likes."""
        return [
            path
            for path, entry in self._entries.items()
            if not is_cache(path) and self.present(path) != entry.now
        ]

    def was_replaced(self, path: str) -> bool:
        """Whether a file that was edited is without our lines now, as an upgrade of Airflow leaves it."""
        return any(rule.path == path and self._is_unedited(rule) for rule in self._rules)

    def differences(self, wanted: dict[str, Entry]) -> list[str]:
        """Tell, in a line each, what ``apply`` would change."""
        differing = {path: "missing" if self.present(path) is None else "changed" for path in self.changed()}
        for path in self.outdated(wanted):
            differing.setdefault(path, "not the repository's")
        for path in self._entries.keys() - wanted.keys():
            if not is_cache(path):
                differing.setdefault(path, "no longer in the repository")
        return [f"  {path}: {what}" for path, what in sorted(differing.items())]

    def caches(self, path: str) -> list[str]:
        """Find what Python keeps compiled of a module; where it does not check for changes, that hides an edit."""
        module = PurePosixPath(path)
        if module.suffix != ".py":
            return []
        folder = module.parent / "__pycache__"
        return [(folder / found.name).as_posix() for found in self.path(folder).glob(f"{module.stem}.*.pyc")]

    def _is_unedited(self, rule: EditRule) -> bool:
        path = self.path(rule.path)
        return path.is_file() and rule.mark not in path.read_bytes()


def _fingerprint(source: Source, content: str, link: bool) -> str:
    return link_fingerprint(source) if link and not isinstance(source, Text) else content


def is_cache(path: str) -> bool:
    return path.endswith(".pyc")


def module_of(cache: str) -> str:
    """Return ``a/b.py`` for ``a/__pycache__/b.cpython-312.pyc``."""
    path = PurePosixPath(cache)
    return (path.parent.parent / f"{path.name.split('.')[0]}.py").as_posix()

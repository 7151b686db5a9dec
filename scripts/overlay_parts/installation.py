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
"""``apply``, ``revert`` and ``status``: each reads like the list of what it does."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from overlay_parts.errors import OverlayError
from overlay_parts.journal import (
    Entry,
    Journal,
    State,
    content_fingerprint,
    fingerprint,
    link_fingerprint,
)
from overlay_parts.plan import RULES, make_plan
from overlay_parts.transaction import Transaction

if TYPE_CHECKING:
    from overlay_parts.layout import Tree
    from overlay_parts.plan import EditRule, Overlay, Plan

# Everybody may read what lies in an environment, whatever the umask of the one who applies.
FILE_MODE = 0o644


@dataclass(frozen=True)
class Report:
    """
    What a command says.

    :param lines: for the person who ran it
    :param settled: False where ``apply`` has something to do
    """

    lines: tuple[str, ...]
    settled: bool = True


class Installation:
    """The repository's overlay and the one tree that it is laid on."""

    def __init__(self, overlay: Overlay, tree: Tree):
        self._overlay = overlay
        self._tree = tree
        self._journal = Journal(tree.package)

    def apply(self, link: bool = False, force: bool = False) -> Report:
        """
        Lay our files and edit Airflow's; bring both up to date where that was done before.

        :param link: link to our files in the repository instead of copying them
        :param force: overwrite what others changed since the last ``apply``
        :raises OverlayError: nothing was changed, and why
        """
        recovered = self._recover()
        known = self._journal.read()
        plan, fresh = self._plan(known, force)
        wanted = self._wanted(plan, known, link)
        if not force:
            self._refuse_changes_by_others(known, wanted)
        if known is not None and known.entries.keys() == wanted.keys() and not self._outdated(known, wanted):
            return self._report(recovered, "nothing to do: applied already")

        cached = [cache for path in fresh for cache in self._caches(path)]
        entries = {**wanted, **{cache: Entry(None, original=True) for cache in cached}}
        entries |= _cache_entries(known, without=fresh)
        dropped = {} if known is None else {p: e for p, e in known.entries.items() if p not in entries}
        folders = self._missing_folders(wanted)
        state = State(
            self._tree.version,
            self._overlay.version(),
            link,
            True,
            entries,
            (known.folders if known else []) + folders,
        )
        with self._changing(
            known, replace(state, entries={**dropped, **entries}), keep=[*fresh, *cached]
        ) as change:
            for folder in folders:
                change.make_folder(self._path(folder))
            self._lay(change, plan, wanted, link)
            self._take_back(change, dropped)
        self._journal.write(state)
        return self._report(recovered, *self._contents(plan, wanted, link))

    def revert(self, force: bool = False) -> Report:
        """
        Give back every file as it was.

        :param force: also where others changed files since ``apply``, whose changes are lost
        :raises OverlayError: nothing was changed, and why
        """
        recovered = self._recover()
        state = self._journal.read()
        if state is None:
            return self._report(recovered, "nothing to do: not applied")
        if not force:
            self._refuse_changes_by_others(state, {})
        return self._report(recovered, *self._give_back(state), "reverted")

    def status(self) -> Report:
        """Tell what is applied, and what differs from what ``apply`` would bring about now."""
        state = self._journal.read()
        if state is None:
            return Report((self._heading(), "not applied"), settled=False)
        if not state.complete:
            return Report(
                (self._heading(), "interrupted: the next apply or revert puts it right"), settled=False
            )
        how = "linked" if state.linked else "copied"
        lines = [f"applied: {how}, overlay {state.overlay}, Airflow {state.airflow}"]
        differing = self._differences(state)
        if state.airflow != self._tree.version or differing:
            differing.append(
                f"the repository is overlay {self._overlay.version()}; apply brings the tree up to date"
            )
        return self._report([], *lines, *differing, settled=not differing)

    # -- deciding ---------------------------------------------------------------------------------------------

    def _plan(self, known: State | None, force: bool) -> tuple[Plan, list[str]]:
        """Return the plan and the paths of those of Airflow's files that are Airflow's own at this moment."""
        originals, fresh = {}, []
        for rule in RULES:
            path = self._path(rule.path)
            if not path.is_file():
                raise OverlayError(
                    f"The overlay does not know this tree: {path} is missing. Nothing was changed."
                )
            if self._is_airflows_own(rule, known):
                originals[rule.path] = path.read_bytes()
                fresh.append(rule.path)
            else:
                originals[rule.path] = self._journal.original(rule.path).read_bytes()
        return make_plan(self._overlay, self._tree, originals), fresh

    def _is_airflows_own(self, rule: EditRule, known: State | None) -> bool:
        """Whether the file is without our lines: never edited, or replaced since, as an upgrade of Airflow does."""
        return (
            known is None
            or rule.path not in known.entries
            or rule.mark not in self._path(rule.path).read_bytes()
        )

    def _wanted(self, plan: Plan, known: State | None, link: bool) -> dict[str, Entry]:
        wanted = {
            edit.rule.path: Entry(content_fingerprint(edit.after), original=True) for edit in plan.edits
        }
        for path, source in plan.files.items():
            content = content_fingerprint(source.read_bytes())
            present = fingerprint(self._path(path))
            if present is None or (known is not None and path in known.entries):
                wanted[path] = Entry(link_fingerprint(source) if link else content)
            elif present != content:
                raise OverlayError(
                    f"{self._path(path)} is there and was not laid by this overlay. Remove it first (a wheel of "
                    "airflow-fargate-executor has such files: pip uninstall airflow-fargate-executor). Nothing was "
                    "changed."
                )
        return wanted

    def _refuse_changes_by_others(self, known: State | None, wanted: dict[str, Entry]) -> None:
        changed = [
            path for path in self._changed_by_others(known) if self._present(path) != _now(wanted.get(path))
        ]
        if changed:
            files = "\n".join(f"  {self._path(path)}" for path in changed)
            raise OverlayError(
                f"Changed since the overlay was applied:\n{files}\nNothing was done. Keep what you need of them, then "
                "use --force, which discards these changes."
            )

    def _changed_by_others(self, known: State | None) -> list[str]:
        entries = {} if known is None else known.entries
        return [
            path
            for path, entry in entries.items()
            if not _is_cache(path)
            and self._present(path) not in (None, entry.now)
            and not (entry.original and self._was_replaced(path))
        ]

    def _was_replaced(self, path: str) -> bool:
        return any(rule.path == path and rule.mark not in self._path(path).read_bytes() for rule in RULES)

    def _outdated(self, known: State, wanted: dict[str, Entry]) -> list[str]:
        return [path for path, entry in wanted.items() if self._present(path) != entry.now]

    def _missing_folders(self, paths: Iterable[str]) -> list[str]:
        folders = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents}
        return sorted(folder for folder in folders if not self._path(folder).exists())

    def _differences(self, state: State) -> list[str]:
        differing = {
            path: "missing" if self._present(path) is None else "changed" for path in self._not_as_left(state)
        }
        try:
            plan, _ = self._plan(state, force=True)
            wanted = self._wanted(plan, state, state.linked)
        except OverlayError as error:
            return [str(error)]
        for path in self._outdated(state, wanted):
            differing.setdefault(path, "not the repository's")
        for path in state.entries.keys() - wanted.keys():
            if not _is_cache(path):
                differing.setdefault(path, "no longer in the repository")
        return [f"  {path}: {what}" for path, what in sorted(differing.items())]

    def _not_as_left(self, state: State) -> list[str]:
        return [p for p, entry in state.entries.items() if not _is_cache(p) and self._present(p) != entry.now]

    # -- doing ------------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(
        self, before: State | None, during: State, keep: Iterable[str] = ()
    ) -> Iterator[Transaction]:
        """Let files change; what is interrupted shows in the journal, what fails leaves no trace."""
        try:
            self._journal.folder.mkdir(exist_ok=True)
            try:
                for path in keep:
                    self._journal.keep(path)
                self._journal.write(replace(during, complete=False))
                with Transaction(self._journal.folder) as transaction:
                    yield transaction
            except BaseException:
                if before is None:
                    shutil.rmtree(self._journal.folder)
                else:
                    self._journal.write(before)
                raise
        except OSError as error:
            raise OverlayError(f"{error}. Everything is as it was before.") from error

    def _lay(self, change: Transaction, plan: Plan, wanted: dict[str, Entry], link: bool) -> None:
        for edit in plan.edits:
            path = self._path(edit.rule.path)
            self._drop_caches(change, edit.rule.path)
            change.write(path, edit.after, mode=path.stat().st_mode & 0o7777)
        for name in plan.files.keys() & wanted.keys():
            self._drop_caches(change, name)
            if link:
                change.link(self._path(name), plan.files[name])
            else:
                change.write(self._path(name), plan.files[name].read_bytes(), FILE_MODE)

    def _give_back(self, state: State) -> list[str]:
        """Take everything back and end the journal; return what had to be left, in words."""
        left = [
            f"  {path}: left, replaced since"
            for path in state.entries
            if self._was_replaced_since(path, state)
        ]
        with self._changing(state, state) as change:
            self._take_back(change, state.entries)
            for folder in reversed(state.folders):
                if not self._remove_folder(change, self._path(folder)):
                    left.append(f"  {folder}: left, holds files of others")
        # Without its state the journal is void, should this be interrupted.
        (self._journal.folder / "state.json").unlink()
        shutil.rmtree(self._journal.folder)
        return left

    def _was_replaced_since(self, path: str, state: State) -> bool:
        return state.complete and self._present(path) is not None and self._was_replaced(path)

    def _take_back(self, change: Transaction, entries: dict[str, Entry]) -> None:
        # Caches last: they are right again only beside the module that they were made from.
        for path in sorted(entries, key=_is_cache):
            if _is_cache(path):
                module = _module_of(path)
                if self._present(module) == fingerprint(self._journal.original(module)):
                    self._journal.restore(path, change)
                continue
            self._drop_caches(change, path)
            if not entries[path].original:
                change.remove(self._path(path))
            elif not self._was_replaced(path):
                self._journal.restore(path, change)

    def _recover(self) -> list[str]:
        """Give back what an interrupted run left half done."""
        state = self._journal.read()
        if state is None or state.complete:
            return []
        self._give_back(state)
        return ["an earlier run was interrupted; its changes were taken back"]

    def _remove_folder(self, change: Transaction, folder: Path) -> bool:
        for empty in (folder / "__pycache__", folder):
            if empty.is_dir() and not any(empty.iterdir()):
                change.remove_folder(empty)
        return not folder.exists()

    def _drop_caches(self, change: Transaction, path: str) -> None:
        for cache in self._caches(path):
            change.remove(self._path(cache))

    def _caches(self, path: str) -> list[str]:
        """Find what Python keeps compiled of a module; one that skips the check for changes would hide our edit."""
        module = PurePosixPath(path)
        if module.suffix != ".py":
            return []
        folder = module.parent / "__pycache__"
        return [(folder / found.name).as_posix() for found in self._path(folder).glob(f"{module.stem}.*.pyc")]

    def _path(self, path: str | PurePosixPath) -> Path:
        return self._tree.package / path

    def _present(self, path: str) -> str | None:
        return fingerprint(self._path(path))

    # -- telling ----------------------------------------------------------------------------------------------

    def _heading(self) -> str:
        return f"Airflow {self._tree.version} in {self._tree.package}"

    def _report(self, recovered: list[str], *lines: str, settled: bool = True) -> Report:
        return Report((self._heading(), *recovered, *lines), settled)

    def _contents(self, plan: Plan, wanted: dict[str, Entry], link: bool) -> list[str]:
        edits = [f"  ~ {edit.rule.path}: {edit.rule.does}" for edit in plan.edits]
        files = [f"  + {path}" if path in wanted else f"  = {path}: there already" for path in plan.files]
        return [
            *edits,
            *files,
            f"applied: {'linked' if link else 'copied'}, overlay {self._overlay.version()}",
        ]


def _is_cache(path: str) -> bool:
    return path.endswith(".pyc")


def _module_of(cache: str) -> str:
    path = PurePosixPath(cache)
    return (path.parent.parent / f"{path.name.split('.')[0]}.py").as_posix()


def _now(entry: Entry | None) -> str | None:
    return None if entry is None else entry.now


def _cache_entries(known: State | None, without: Iterable[str]) -> dict[str, Entry]:
    """Return the caches that were kept earlier, but for those of modules that are now kept anew."""
    entries = {} if known is None else known.entries
    return {
        path: entry for path, entry in entries.items() if _is_cache(path) and _module_of(path) not in without
    }

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
"""``apply``, ``revert``, ``status`` and ``diff``: each reads like the list of what it does."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tools.overlay.errors import OverlayError
from tools.overlay.journal import Entry, Journal, State, fingerprint
from tools.overlay.papers import PROPOSAL, number_of
from tools.overlay.patch import make_patch
from tools.overlay.survey import Survey, is_cache, module_of
from tools.overlay.transaction import Transaction

if TYPE_CHECKING:
    from tools.overlay.layout import Tree
    from tools.overlay.plan import Overlay, Plan

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
        self._journal = Journal(tree.root)

    def apply(self, link: bool = False, force: bool = False) -> Report:
        """
        Lay our files and edit Airflow's; bring both up to date where that was done before.

        :param link: link to our files in the repository instead of copying them
        :param force: overwrite what others changed since the last ``apply``
        :raises OverlayError: nothing was changed, and why
        """
        if link and self._tree.checkout:
            raise OverlayError("A source tree takes copies: links to this repository are no part of a patch.")
        recovered = self._recover()
        known = self._journal.read()
        survey = self._survey(known)
        plan, own = survey.plan()
        wanted = survey.wanted(plan, link)
        if not force:
            survey.refuse_changes_by_others(wanted)
        if known is not None and _without_caches(known.entries) == wanted and not survey.outdated(wanted):
            return self._report(*recovered, "nothing to do: applied already")
        self._bring_about(survey, plan, known, self._next_state(survey, known, wanted, own, link), own)
        warning = [self._tree.warning] if self._tree.warning else []
        return self._report(*recovered, *_contents(plan, wanted), *warning, f"applied: {self._how(link)}")

    def revert(self, force: bool = False) -> Report:
        """
        Give back every file as it was.

        :param force: also where others changed files since ``apply``, whose changes are lost
        :raises OverlayError: nothing was changed, and why
        """
        recovered = self._recover()
        state = self._journal.read()
        if state is None:
            return self._report(*recovered, "nothing to do: not applied")
        if not force:
            self._survey(state).refuse_changes_by_others({})
        return self._report(*recovered, *self._give_back(state), "reverted")

    def status(self) -> Report:
        """Tell what is applied, and what differs from what ``apply`` would bring about now, or why it would refuse."""
        state = self._journal.read()
        if state is not None and not state.complete:
            return self._report("interrupted: the next apply or revert puts it right", settled=False)
        survey = self._survey(state)
        said = "not applied"
        if state is not None:
            how = "linked" if state.linked else "copied"
            said = f"applied: {how}, overlay {state.overlay}, Airflow {state.airflow}"
        try:
            wanted = survey.wanted(survey.plan()[0], link=state is not None and state.linked)
        except OverlayError as error:
            return self._report(said, str(error), settled=False)
        if state is None:
            return self._report(said, settled=False)
        differing = survey.differences(wanted)
        if differing:
            differing.append(f"  apply brings the tree up to overlay {self._overlay.version(self._tree)}")
        return self._report(said, *differing, settled=not differing)

    def diff(self, mail: bool = False) -> bytes:
        """
        Return what ``apply`` changes of the tree as it came, as a patch; nothing is written.

        :param mail: as a series of commits for ``git am``, by the author whom git in the tree would take
        :raises OverlayError: the tree is unknown, or git cannot make the patch
        """
        plan, _ = self._survey(self._journal.read()).plan()
        return make_patch(plan, self._tree.root, mail)

    def _survey(self, state: State | None) -> Survey:
        return Survey(self._overlay, self._tree, self._journal, state)

    def _next_state(
        self, survey: Survey, known: State | None, wanted: dict[str, Entry], own: list[str], link: bool
    ) -> State:
        """Return what the journal is to hold: the caches of Airflow's own files, too, which an edit makes invalid."""
        kept = {} if known is None else {p: e for p, e in known.entries.items() if is_cache(p)}
        caches = {path: entry for path, entry in kept.items() if module_of(path) not in own}
        caches |= {cache: Entry(None, original=True) for path in own for cache in survey.caches(path)}
        parents = {parent.as_posix() for path in wanted for parent in PurePosixPath(path).parents}
        missing = sorted(folder for folder in parents if not survey.path(folder).exists())
        folders = missing if known is None else sorted({*known.folders, *missing})
        return State(
            self._tree.version, self._overlay.version(self._tree), link, True, wanted | caches, folders
        )

    def _bring_about(
        self, survey: Survey, plan: Plan, known: State | None, state: State, own: list[str]
    ) -> None:
        dropped = {} if known is None else {p: e for p, e in known.entries.items() if p not in state.entries}
        keep = [*own, *(path for path in state.entries if is_cache(path) and module_of(path) in own)]
        with self._changing(known, replace(state, entries=dropped | state.entries), keep) as change:
            for folder in state.folders:
                if not survey.path(folder).exists():
                    change.make_folder(survey.path(folder))
            self._lay(change, survey, plan, state)
            self._take_back(change, survey, dropped)
            self._journal.write(state)

    def _lay(self, change: Transaction, survey: Survey, plan: Plan, state: State) -> None:
        for edit in plan.edits:
            path = survey.path(edit.rule.path)
            _drop_caches(change, survey, edit.rule.path)
            change.write(path, edit.after, mode=path.stat().st_mode & 0o7777)
        for name, source in plan.files.items():
            if name not in state.entries:
                continue
            _drop_caches(change, survey, name)
            if state.linked:
                change.link(survey.path(name), source)
            else:
                change.write(survey.path(name), source.read_bytes(), FILE_MODE)

    def _give_back(self, state: State) -> list[str]:
        """Take everything back and end the journal; return what had to be left, in words."""
        survey = self._survey(state)
        left = [
            f"  {path}: left, it was replaced since" for path in state.entries if survey.was_replaced(path)
        ]
        if not state.complete:
            # What an interrupted run did not reach is without our lines, and as it should be.
            left = []
        with self._changing(state, state) as change:
            self._take_back(change, survey, state.entries)
            for folder in reversed(state.folders):
                if not _remove_folder(change, survey, folder):
                    left.append(f"  {folder}: left, it holds files of others")
            self._journal.end()
        shutil.rmtree(self._journal.folder, ignore_errors=True)
        return left

    def _take_back(self, change: Transaction, survey: Survey, entries: dict[str, Entry]) -> None:
        # Caches last: they are right again only beside the module that they were made from.
        for path in sorted(entries, key=is_cache):
            if is_cache(path):
                module = module_of(path)
                if survey.present(module) == fingerprint(self._journal.original(module)):
                    change.restore(survey.path(path), self._journal.original(path))
            elif not entries[path].original:
                _drop_caches(change, survey, path)
                change.remove(survey.path(path))
            elif not survey.was_replaced(path):
                _drop_caches(change, survey, path)
                change.restore(survey.path(path), self._journal.original(path))

    def _recover(self) -> list[str]:
        """Give back what an interrupted run left half done."""
        state = self._journal.read()
        if state is None:
            # Nothing was changed yet, or all was given back already: what the journal may hold is void.
            shutil.rmtree(self._journal.folder, ignore_errors=True)
        if state is None or state.complete:
            return []
        self._give_back(state)
        return ["an earlier run was interrupted; its changes were taken back"]

    @contextmanager
    def _changing(
        self, before: State | None, during: State, keep: Iterable[str] = ()
    ) -> Iterator[Transaction]:
        """
        Let files change; what is interrupted shows in the journal, what fails leaves no trace.

        :param before: what the journal holds if this fails
        :param during: every path that changes
        :param keep: files of Airflow's to remember as they are
        """
        try:
            self._journal.begin()
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

    def _how(self, link: bool) -> str:
        return f"{'linked' if link else 'copied'}, overlay {self._overlay.version(self._tree)}"

    def _report(self, *lines: str, settled: bool = True) -> Report:
        return Report((f"Airflow {self._tree.version} in {self._tree.root}", *lines), settled)


def applied_number(tree: Tree) -> int:
    """Return the number of the newsfragment that is applied to a checkout; without one, the proposal's."""
    state = Journal(tree.root).read()
    numbers = (number_of(path) for path in (state.entries if state else ()))
    return next((number for number in numbers if number is not None), PROPOSAL)


def _contents(plan: Plan, wanted: dict[str, Entry]) -> list[str]:
    edits = [f"  ~ {edit.rule.path}: {edit.rule.does}" for edit in plan.edits]
    return [
        *edits,
        *(f"  + {path}" if path in wanted else f"  = {path}: there already" for path in plan.files),
    ]


def _without_caches(entries: dict[str, Entry]) -> dict[str, Entry]:
    return {path: entry for path, entry in entries.items() if not is_cache(path)}


def _drop_caches(change: Transaction, survey: Survey, path: str) -> None:
    for cache in survey.caches(path):
        change.remove(survey.path(cache))


def _remove_folder(change: Transaction, survey: Survey, folder: str) -> bool:
    path = survey.path(folder)
    for empty in (path / "__pycache__", path):
        if empty.is_dir() and not any(empty.iterdir()):
            change.remove_folder(empty)
    return not path.exists()

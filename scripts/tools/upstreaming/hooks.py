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
"""The checks that Airflow's repository runs before each commit, as it configures them, on the files of the patch, by prek."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tools.upstreaming.clone import Clone, UpstreamError
from tools.upstreaming.complaints import beyond
from tools.upstreaming.hook_configuration import folders
from tools.upstreaming.table import Row

SHOWN_LINES = 12
# What prek writes over the hooks of a folder, and over each hook.
FOLDER = re.compile(r"(?m)^[✓×] (\S+)\n")
HEADER = re.compile(r"(?m)^ *\S.*?\.*(?:\(.*\))?(Passed|Failed|Skipped)\n *- hook id: (\S+)\n")
ROOT = (".", "<workspace>")
# What a hook says that could not run.
BROKEN = re.compile(
    r"^(\w+\.)*(ModuleNotFound|Import|Attribute|FileNotFound|Name|Permission|Connection)Error: "
    r"|command not found|No such file or directory|Permission denied|not resolve host|Failed to spawn"
)


@dataclass
class Ran:
    """What became of a hook, and the lines in which it complained."""

    outcome: str = "Skipped"
    said: list[str] = field(default_factory=list)

    def add(self, outcome: str, said: list[str]) -> None:
        """Take in another run: one id can stand several times, for different files."""
        self.outcome = max(outcome, self.outcome, key=("Skipped", "Passed", "Failed").index)
        self.said += said if outcome == "Failed" else []

    def beyond(self, before: Ran) -> list[str]:
        """Return what was not said before, wherever in a file it stood then."""
        return beyond(self.said, before.said)

    @property
    def broken(self) -> str | None:
        """Why the hook could not run at all, in its own words."""
        return next(filter(BROKEN.search, self.said), None)


class Hooks:
    """The hooks of one clone."""

    def __init__(self, clone: Clone):
        self._clone = clone
        self._before: dict[str, Ran] = {}
        self._skipped: list[Row] = []
        # Those that look at what they like, whichever files they are run for.
        self._whole: set[str] = set()
        # Of each folder that has one.
        self._configurations: dict[Path, str] = {}

    def prepare(self, files: list[Path]) -> None:
        """Make the configurations of those that can run, and remember why the others that concern files cannot."""
        self._clone.stand_in("breeze")  # Some scripts ask whether it is there, and do without.
        for folder in folders(self._clone.root):
            runnable = []
            for hook, local, reason in folder.hooks():
                if not any(folder.concerned(hook, file) for file in files):
                    continue
                name = _named(hook["id"], folder.name)
                if local is not None:
                    runnable.append(local)
                    if local.get("pass_filenames") is False:
                        self._whole.add(name)
                elif reason:
                    row = Row(f"hook {name}", "-", reason, None)
                    self._skipped += [row] if row not in self._skipped else []
            self._configurations[folder.path] = folder.configuration(runnable)

    def before(self, modified: list[Path]) -> None:
        """Run them on the files that the patch modifies, as they are without it."""
        self._before = self._run("hooks-before", modified)

    def after(self, modified: list[Path], added: list[Path]) -> list[Row]:
        """Run them on every file of the patch; those that concern none of these are left out."""
        on_modified = self._run("hooks-after", modified)
        on_added = self._run("hooks-added", added)
        names = dict.fromkeys([*on_modified, *on_added])
        rows = [self._row(name, on_modified.get(name, Ran()), on_added.get(name, Ran())) for name in names]
        return [row for row in rows if row.after != "skipped"] + self._skipped

    def _row(self, name: str, modified: Ran, added: Ran) -> Row:
        before = self._before.get(name, Ran())
        if name in self._whole and modified.outcome != "Skipped":
            # It has just seen the new files, too.
            added = Ran()
        both = Ran(modified.outcome, [*modified.said])
        both.add(added.outcome, added.said)
        if both.broken:
            return Row(
                f"hook {name}",
                "-",
                f"it could not run: {both.broken}",
                None,
                tuple(both.said[-SHOWN_LINES:]),
                True,
            )
        # Where it failed already, it fails for what the patch has brought.
        failed_already = before.outcome == "Failed"
        good, new = True, []
        for ran in (modified, added):
            said = ran.beyond(before) if failed_already else ran.said
            new += said
            good = good and (ran.outcome != "Failed" or failed_already and not said)
        # What it says of everything it says both times.
        shown = [*dict.fromkeys(both.said if good else new)][:SHOWN_LINES]
        told = before.outcome.lower().replace("skipped", "-")
        return Row(f"hook {name}", told, both.outcome.lower(), good, tuple(shown))

    def _run(self, log: str, files: list[Path]) -> dict[str, Ran]:
        for path, configuration in self._configurations.items():
            path.write_text(configuration, encoding="utf-8")
        prek = Path(sys.executable).with_name("prek")
        done = self._clone.run(
            log, prek, "run", "--verbose", "--color=never", "--no-progress", "--files", *files
        )
        # What a hook has put right is not to reach the next run.
        self._clone.git("checkout", "--quiet", "--", ".")
        # Where there is one folder alone, its name does not stand there.
        first, *others = FOLDER.split(done.output)
        ran = _parsed(first, ".")
        for folder, output in zip(others[::2], others[1::2]):
            ran |= _parsed(output, folder)
        if not ran:
            raise UpstreamError(f"prek broke off:\n{done.output[-3000:]}")
        return ran


def _parsed(output: str, folder: str) -> dict[str, Ran]:
    """Return what became of each hook of a folder."""
    headers = list(HEADER.finditer(output))
    ran: dict[str, Ran] = {}
    ends = [header.start() for header in headers[1:]] + [len(output)]
    for header, end in zip(headers, ends):
        lines = output[header.end() : end].splitlines()
        said = [line for line in map(str.strip, lines) if line and not line.startswith("- ")]
        ran.setdefault(_named(header[2], folder), Ran()).add(header[1], said)
    return ran


def _named(hook: str, folder: str) -> str:
    return hook if folder in ROOT else f"{hook} of {folder}"

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
"""
The checks that Airflow's repository runs before each commit, as it configures them, on the files of the patch.

Hooks of the repository itself run through pre-commit as they are. Of hooks that come from elsewhere, those whose
package is on the registry are made such hooks, pinned as in the configuration. The others are skipped, each with its
reason.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

from upstreaming.bed import Bed, UpstreamError
from upstreaming.table import Row

# Repositories of hooks whose package is on the registry: its name there, and the program and files of each hook.
PACKAGES: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "codespell-project/codespell": ("codespell", {"codespell": {"entry": "codespell", "types": ["text"]}}),
    "adrienverge/yamllint": ("yamllint", {"yamllint": {"entry": "yamllint", "types": ["file", "yaml"]}}),
    "asottile/blacken-docs": (
        "blacken-docs",
        {"blacken-docs": {"entry": "blacken-docs", "files": r"\.(rst|md)$"}},
    ),
    "ikamensh/flynt": ("flynt", {"flynt": {"entry": "flynt", "types": ["python"]}}),
    "pre-commit/pre-commit-hooks": (
        "pre-commit-hooks",
        {
            "check-merge-conflict": {"entry": "check-merge-conflict", "types": ["text"]},
            "debug-statements": {"entry": "debug-statement-hook", "types": ["python"]},
            "check-builtin-literals": {"entry": "check-builtin-literals", "types": ["python"]},
            "detect-private-key": {"entry": "detect-private-key", "types": ["text"]},
            "end-of-file-fixer": {"entry": "end-of-file-fixer", "types": ["text"]},
            "mixed-line-ending": {"entry": "mixed-line-ending", "types": ["text"]},
            "trailing-whitespace": {"entry": "trailing-whitespace-fixer", "types": ["text"]},
        },
    ),
}
# Hooks of the repository's own that cannot say what is asked here, and why.
EXCUSED = {
    "check-usage-of-re2-over-re": "RE2 has no look-ahead, which our patterns use; Airflow 3 has dropped this rule",
    "check-hooks-apply": "checks the list of hooks, not the patch",
}
# Hooks that see all of the repository, made to see the files of the patch.
NARROWED = {"ruff-format": {"entry": "ruff format --force-exclude --check", "pass_filenames": True}}
# What a hook's script has in it where it starts containers.
SHOWN_LINES = 12
BREEZE = re.compile(r"breeze|run_command_via_breeze_shell|docker", re.IGNORECASE)


class Hooks:
    """The hooks of one clone."""

    def __init__(self, bed: Bed):
        self._bed = bed
        self._before: dict[str, str] = {}
        self._output = ""
        self._skipped: list[Row] = []
        self._config = bed.home / "pre-commit-config.yaml"

    def prepare(self, files: list[Path]) -> None:
        """Write the configuration of those that can run, and remember why the others that concern files cannot."""
        text = (self._bed.root / ".pre-commit-config.yaml").read_text(encoding="utf-8")
        config = yaml.safe_load(text)
        hooks = []
        for repository in config["repos"]:
            for hook in repository["hooks"]:
                local, reason = self._runnable(repository, hook, text)
                if local is not None:
                    hooks.append(local)
                elif reason and _concerns(hook, files):
                    row = Row(f"hook {hook['id']}", "-", reason, None)
                    self._skipped += [row] if row not in self._skipped else []
        ours = {"exclude": config.get("exclude", "^$"), "repos": [{"repo": "local", "hooks": hooks}]}
        self._config.write_text(yaml.safe_dump(ours, sort_keys=False), encoding="utf-8")

    def before(self, files: list[Path]) -> None:
        """Run them on the files that the patch modifies, as they are without it."""
        self._before = self._run("hooks-before", files)

    def after(self, files: list[Path]) -> list[Row]:
        """Run them on every file of the patch; those that concern none of these are left out."""
        after = self._run("hooks-after", files)
        rows = []
        for name, outcome in after.items():
            before = self._before.get(name, "-")
            if outcome != "Skipped":
                good = outcome == "Passed" or (before, outcome) == ("Failed", "Failed")
                shown = before.lower().replace("skipped", "-")
                rows.append(Row(f"hook {name}", shown, outcome.lower(), good, self._said(name, outcome)))
        return rows + self._skipped

    def _run(self, log: str, files: list[Path]) -> dict[str, str]:
        command = ["run", "--config", str(self._config), "--verbose", "--color=never", "--files"]
        done = self._bed.run(log, sys.executable, "-m", "pre_commit", *command, *map(str, files))
        self._output = done.output
        found = re.findall(r"(?m)^.*?\.*(?:\(.*\))?(Passed|Failed|Skipped)\n- hook id: (\S+)", done.output)
        if not found:
            raise UpstreamError(f"pre-commit broke off:\n{done.output[-3000:]}")
        # What a hook has put right is not to reach the next run.
        self._bed.git("checkout", "--quiet", "--", ".")
        outcomes: dict[str, str] = {}
        for outcome, name in found:
            # One id can stand several times, for different files.
            ranks = ("Skipped", "Passed", "Failed")
            outcomes[name] = max(outcome, outcomes.get(name, "Skipped"), key=ranks.index)
        return outcomes

    def _said(self, name: str, outcome: str) -> tuple[str, ...]:
        """Return the beginning of what a hook complained of."""
        if outcome != "Failed":
            return ()
        said = self._output.partition(f"Failed\n- hook id: {name}\n")[2]
        body = re.split(r"(?m)^.*\.{3,}.*(?:Passed|Failed|Skipped)$", said)[0]
        return tuple(line for line in body.splitlines() if line and not line.startswith("- "))[:SHOWN_LINES]

    def _runnable(self, repository: dict, hook: dict, text: str) -> tuple[dict | None, str]:
        """Return the hook in a form that pre-commit can run here, or why there is none; both empty: leave it out."""
        if repository["repo"] == "local":
            return self._local(hook)
        if repository["repo"] == "meta":
            return None, "checks the list of hooks, not the patch"
        owner = "/".join(repository["repo"].removesuffix(".git").split("/")[-2:])
        package, hooks = PACKAGES.get(owner, ("", {}))
        if hook["id"] not in hooks:
            return None, _covered(hook["id"]) or f"comes from {owner}, which is on no package registry"
        version = _frozen(text, repository["rev"])
        return {
            "name": hook["id"],
            "language": "python",
            **hooks[hook["id"]],
            **{key: value for key, value in hook.items() if key not in ("name", "stages")},
            "additional_dependencies": [f"{package}=={version}", *hook.get("additional_dependencies", [])],
        }, ""

    def _local(self, hook: dict) -> tuple[dict | None, str]:
        if "manual" in hook.get("stages", ()):
            return None, ""
        if hook["id"] in EXCUSED:
            return None, EXCUSED[hook["id"]]
        if hook["language"] not in ("python", "pygrep", "system"):
            return None, f"needs {hook['language']}"
        script = self._bed.root / hook["entry"].split()[0]
        if script.is_file() and BREEZE.search(script.read_text(encoding="utf-8")):
            return None, "runs in Breeze, which needs Docker"
        kept = {key: value for key, value in hook.items() if key != "stages"}
        return {**kept, **NARROWED.get(hook["id"], {})}, ""


def _frozen(text: str, revision: str) -> str:
    """Return the version that a revision is, which may stand behind it as a comment."""
    comment = re.search(rf"rev: {re.escape(revision)}\s*# frozen: (\S+)", text)
    return (comment[1] if comment else revision).removeprefix("v")


def _concerns(hook: dict, files: list[Path]) -> bool:
    """Whether a hook would see one of the files, as far as its patterns tell."""
    wanted = re.compile(hook.get("files", "")).search
    unwanted = re.compile(hook.get("exclude", "^$")).search
    return any(wanted(path.as_posix()) and not unwanted(path.as_posix()) for path in files)


def _covered(name: str) -> str:
    return "see the row of licence headers" if name == "insert-license" else ""

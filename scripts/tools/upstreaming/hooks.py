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
package is on the registry, or that are but an expression, are made such hooks, pinned as in the configuration. The
others are skipped, each with its reason.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tools.upstreaming.clone import Clone, UpstreamError
from tools.upstreaming.complaints import beyond
from tools.upstreaming.table import Row

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
            "check-executables-have-shebangs": {
                "entry": "check-executables-have-shebangs",
                "types": ["text", "executable"],
            },
            "check-xml": {"entry": "check-xml", "types": ["xml"]},
            "detect-private-key": {"entry": "detect-private-key", "types": ["text"]},
            "end-of-file-fixer": {"entry": "end-of-file-fixer", "types": ["text"]},
            "fix-encoding-pragma": {"entry": "fix-encoding-pragma", "types": ["python"]},
            "mixed-line-ending": {"entry": "mixed-line-ending", "types": ["text"]},
            "pretty-format-json": {"entry": "pretty-format-json", "types": ["json"]},
            "trailing-whitespace": {"entry": "trailing-whitespace-fixer", "types": ["text"]},
        },
    ),
}
# Hooks that are an expression which no line may match, on no registry: repository and version, and what each looks for.
EXPRESSIONS: dict[tuple[str, str], dict[str, dict[str, Any]]] = {
    ("pre-commit/pygrep-hooks", "1.10.0"): {
        "python-no-log-warn": {"entry": r"\.(?<!warnings\.)warn\(", "types": ["python"]},
        "rst-backticks": {"entry": r"^(?! {4})(.* )?`[^`]+`(?!_)", "types": ["rst"]},
    },
}
# Hooks of the repository's own that cannot say what is asked here, and why.
EXCUSED = {
    "check-usage-of-re2-over-re": "RE2 has no look-ahead, which our patterns use; Airflow 3 has dropped this rule",
    "check-hooks-apply": "checks the list of hooks, not the patch",
    "update-vendored-in-k8s-json-schema": "fetches the schema of Kubernetes from GitHub, of which the patch has nothing",
}
# What another row of the table says.
ELSEWHERE = {
    "insert-license": "see the row of licence headers",
    "check-default-configuration": "see the row of the default configuration",
    "mypy-airflow": "see the row of types",
    "mypy-airflow-core": "see the row of types",
}
# Hooks that see all of the repository, made to see the files of the patch.
NARROWED = {"ruff-format": {"entry": "ruff format --force-exclude --check", "pass_filenames": True}}
SHOWN_LINES = 12
CONFIGURATION = ".pre-commit-config.yaml"
# What pre-commit writes over each hook.
HEADER = re.compile(r"(?m)^.*?\.*(?:\(.*\))?(Passed|Failed|Skipped)\n- hook id: (\S+)\n")
# What a hook's script has in it where it starts containers.
BREEZE = re.compile(r"breeze|run_command_via_breeze_shell|docker", re.IGNORECASE)


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


class Hooks:
    """The hooks of one clone."""

    def __init__(self, clone: Clone):
        self._clone = clone
        self._before: dict[str, Ran] = {}
        self._skipped: list[Row] = []
        # Those that look at what they like, whichever files they are run for.
        self._whole: set[str] = set()
        self._config = clone.home / "pre-commit-config.yaml"

    def prepare(self, files: list[Path]) -> None:
        """Write the configuration of those that can run, and remember why the others that concern files cannot."""
        text = (self._clone.root / CONFIGURATION).read_text(encoding="utf-8")
        config = yaml.safe_load(text)
        hooks = []
        for repository in config["repos"]:
            for hook in repository["hooks"]:
                local, reason = self._runnable(repository, hook, text)
                if local is not None:
                    hooks.append(local)
                elif reason and any(concerned(hook, path) for path in files):
                    row = Row(f"hook {hook['id']}", "-", reason, None)
                    self._skipped += [row] if row not in self._skipped else []
        self._skipped += self._of_folders(files)
        self._whole = {hook["id"] for hook in hooks if hook.get("pass_filenames") is False}
        ours = {"exclude": config.get("exclude", "^$"), "repos": [{"repo": "local", "hooks": hooks}]}
        self._config.write_text(yaml.safe_dump(ours, sort_keys=False), encoding="utf-8")

    def _of_folders(self, files: list[Path]) -> list[Row]:
        """Return a row for each folder with hooks of its own, which newer trees have and pre-commit passes over."""
        found = {path.relative_to(self._clone.root) for path in self._clone.root.glob(f"*/{CONFIGURATION}")}
        concerned = sorted(path for path in found if any(file.is_relative_to(path.parent) for file in files))
        return [
            Row(f"hooks of {path}", "-", "need prek: prek run, in the checkout", None) for path in concerned
        ]

    def before(self, modified: list[Path]) -> None:
        """Run them on the files that the patch modifies, as they are without it."""
        self._before = self._run("hooks-before", modified)

    def after(self, modified: list[Path], added: list[Path]) -> list[Row]:
        """Run them on every file of the patch; those that concern none of these are left out."""
        on_modified = self._run("hooks-after", modified)
        on_added = self._run("hooks-added", added)
        rows = [self._row(name, on_modified.get(name, Ran()), ran) for name, ran in on_added.items()]
        return [row for row in rows if row.after != "skipped"] + self._skipped

    def _row(self, name: str, modified: Ran, added: Ran) -> Row:
        before = self._before.get(name, Ran())
        if name in self._whole and modified.outcome != "Skipped":
            # It has just seen the new files, too.
            added = Ran()
        both = Ran(modified.outcome, [*modified.said])
        both.add(added.outcome, added.said)
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
        command = ["run", "--config", str(self._config), "--verbose", "--color=never", "--files"]
        done = self._clone.run(log, sys.executable, "-m", "pre_commit", *command, *map(str, files))
        headers = list(HEADER.finditer(done.output))
        if not headers:
            raise UpstreamError(f"pre-commit broke off:\n{done.output[-3000:]}")
        # What a hook has put right is not to reach the next run.
        self._clone.git("checkout", "--quiet", "--", ".")
        ran: dict[str, Ran] = {}
        ends = [header.start() for header in headers[1:]] + [len(done.output)]
        for header, end in zip(headers, ends):
            lines = done.output[header.end() : end].splitlines()
            said = [line for line in lines if line.strip() and not line.startswith("- ")]
            ran.setdefault(header[2], Ran()).add(header[1], said)
        return ran

    def _runnable(self, repository: dict, hook: dict, text: str) -> tuple[dict | None, str]:
        """Return the hook in a form that pre-commit can run here, or why there is none; both empty: leave it out."""
        if repository["repo"] == "local":
            return self._local(hook)
        if repository["repo"] == "meta":
            return None, "checks the list of hooks, not the patch"
        owner = "/".join(repository["repo"].removesuffix(".git").split("/")[-2:])
        version = _frozen(text, repository["rev"])
        kept = {key: value for key, value in hook.items() if key not in ("name", "stages")}
        if looked_for := EXPRESSIONS.get((owner, version), {}).get(hook["id"]):
            return {"name": hook["id"], "language": "pygrep", **looked_for, **kept}, ""
        package, hooks = PACKAGES.get(owner, ("", {}))
        if hook["id"] not in hooks:
            elsewhere = f"comes from {owner} {version}, which is on no package registry"
            return None, ELSEWHERE.get(hook["id"]) or elsewhere
        return {
            "name": hook["id"],
            "language": "python",
            **hooks[hook["id"]],
            **kept,
            "additional_dependencies": [f"{package}=={version}", *hook.get("additional_dependencies", [])],
        }, ""

    def _local(self, hook: dict) -> tuple[dict | None, str]:
        if "manual" in hook.get("stages", ()):
            return None, ""
        if reason := EXCUSED.get(hook["id"]) or ELSEWHERE.get(hook["id"]):
            return None, reason
        if hook["language"] not in ("python", "pygrep", "system"):
            return None, f"needs {hook['language']}"
        script = self._clone.root / hook["entry"].split()[0]
        if script.is_file() and BREEZE.search(script.read_text(encoding="utf-8")):
            return None, "runs in Breeze, which needs Docker"
        kept = {key: value for key, value in hook.items() if key != "stages"}
        return {**kept, **NARROWED.get(hook["id"], {})}, ""


def _frozen(text: str, revision: str) -> str:
    """Return the version that a revision is, which may stand behind it as a comment."""
    comment = re.search(rf"rev: {re.escape(revision)}\s*# frozen: (\S+)", text)
    return (comment[1] if comment else revision).removeprefix("v")


def concerned(hook: dict, path: Path) -> bool:
    """Whether a hook would see a file, as far as its patterns tell."""
    name = path.as_posix()
    return bool(re.search(hook.get("files", ""), name) and not re.search(hook.get("exclude", "^$"), name))

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
Which hooks a folder of Airflow's repository configures, and in which form they can run here.

Hooks of the repository itself run as they are, but for what some of them lack: packages that their scripts import, and the
permission to be executed. Of hooks that come from elsewhere, those whose package is on the registry, or that are but an
expression, are made such hooks, pinned as in the configuration. The others cannot be checked here, each for its reason.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.upstreaming.hook_tables import CHANGED, ELSEWHERE, EXCUSED, EXPRESSIONS, PACKAGES

CONFIGURATION = ".pre-commit-config.yaml"
# What a hook's script has in it where it starts containers.
BREEZE = re.compile(r"run_command_via_breeze_shell|[\"']docker[\"']|[\"']breeze[\"' ]")
# Where a script says which packages it needs.
METADATA = re.compile(r"(?m)^# dependencies = \[\n((?:#.*\n)*?)# \]$")
# What scripts import, and do not all say that they need.
IMPORTED = ("astor", "pyyaml", "rich")


@dataclass(frozen=True)
class Folder:
    """
    A folder with a configuration of hooks, which see the files below it.

    :param root: of the repository
    :param name: relative to that; ``.`` for the root
    """

    root: Path
    name: str

    @property
    def path(self) -> Path:
        """The configuration."""
        return self.root / self.name / CONFIGURATION

    def concerned(self, hook: dict, file: Path) -> bool:
        """Whether a hook would see a file, as far as its patterns tell."""
        if not file.is_relative_to(self.name):
            return False
        name = file.relative_to(self.name).as_posix()
        return bool(re.search(hook.get("files", ""), name) and not re.search(hook.get("exclude", "^$"), name))

    def hooks(self) -> Iterable[tuple[dict, dict | None, str]]:
        """Yield each hook, its form that can run here, and else the reason why there is none; neither: leave it out."""
        text = self.path.read_text(encoding="utf-8")
        for repository in yaml.safe_load(text)["repos"]:
            for hook in repository["hooks"]:
                yield hook, *self._runnable(repository, hook, text)

    def configuration(self, hooks: list[dict]) -> str:
        """Return a configuration of the folder with hooks of ours."""
        excluded = yaml.safe_load(self.path.read_text(encoding="utf-8")).get("exclude", "^$")
        return yaml.safe_dump(
            {
                "default_language_version": {"python": "{}.{}".format(*sys.version_info)},
                "exclude": excluded,
                "repos": [{"repo": "local", "hooks": hooks}] if hooks else [],
            },
            sort_keys=False,
        )

    def _runnable(self, repository: dict, hook: dict, text: str) -> tuple[dict | None, str]:
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
        script = self.root / self.name / hook["entry"].split()[0]
        source = script.read_text(encoding="utf-8") if script.is_file() else ""
        if BREEZE.search(source):
            return None, "runs in Breeze, which needs Docker"
        kept = {key: value for key, value in hook.items() if key != "stages"}
        return {**kept, **_provided(hook, source), **CHANGED.get(hook["id"], {})}, ""


def _provided(hook: dict, source: str) -> dict[str, Any]:
    """Return what a hook with a script of the repository's lacks: packages, and who executes it."""
    if hook["language"] != "python" or not source:
        return {}
    said = METADATA.search(source)
    needed = hook.get("additional_dependencies") or re.findall(r'"(.+)"', said[1] if said else "")
    names = {re.split(r"[^\w.-]", package, maxsplit=1)[0].lower() for package in needed}
    return {
        "additional_dependencies": [*needed, *(name for name in IMPORTED if name not in names)],
        "entry": f"python {hook['entry']}",
    }


def _frozen(text: str, revision: str) -> str:
    """Return the version that a revision is, which may stand behind it as a comment."""
    comment = re.search(rf"rev: {re.escape(revision)}\s*# frozen: (\S+)", text)
    return (comment[1] if comment else revision).removeprefix("v")


def folders(root: Path) -> list[Folder]:
    """Return the folders of a repository that configure hooks, the root first."""
    return [
        Folder(root, path.parent.relative_to(root).as_posix()) for path in sorted(root.rglob(CONFIGURATION))
    ]

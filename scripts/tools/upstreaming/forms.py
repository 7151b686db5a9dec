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
"""Forms that Airflow's repository asks for, which need no hook to be checked: licence, configuration, commit."""

from __future__ import annotations

import re
import sys
from collections import Counter
from typing import TYPE_CHECKING

import yaml

from tools.upstreaming.patch import changed_files
from tools.upstreaming.table import Row

if TYPE_CHECKING:
    from tools.upstreaming.clone import Clone

# Our section of Airflow's configuration, in this repository.
SECTION = "airflow/config_templates/fargate.yml"
# What has a licence header in Airflow's repository.
LICENSED = {".py", ".rst", ".yml", ".yaml", ".toml", ".sh", ".md"}
# The longest header begins after a shebang, and a comment mark of its own.
HEADER_LENGTH = 2000

LOADED = """
from airflow.configuration import conf
from airflow.executors.executor_loader import ExecutorLoader
cls, _ = ExecutorLoader.import_default_executor_cls()
print(cls.__module__, cls.__name__, conf.get("fargate", "deployment"))
"""

LOADING = {
    "AIRFLOW__CORE__EXECUTOR": "FargateExecutor",
    # Airflow 2 refuses it beside SQLite, as every executor that runs tasks at once.
    "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
}


def check_forms(clone: Clone) -> list[Row]:
    """Check the clone, which has the patch."""
    return [
        _licences(clone),
        _loads(clone),
        _config_listed(clone),
        _config_lint(clone),
        _default_configuration(clone),
    ]


def _licences(clone: Clone) -> Row:
    """Each new file must begin with the tree's own licence template, whatever its comments look like."""
    template = clone.root / "scripts/ci/license-templates/LICENSE.txt"
    if not template.is_file():
        return Row("licence headers", "-", f"the tree has no {template.name}", None)
    wanted = _words(template.read_text(encoding="utf-8"))
    files = [
        path
        for path in changed_files(clone, "A")
        if path.suffix in LICENSED and path.parent.name != "newsfragments"
    ]
    bad = [
        p for p in files if wanted not in _words((clone.root / p).read_text(encoding="utf-8")[:HEADER_LENGTH])
    ]
    return Row(
        "licence headers", "-", f"{len(files) - len(bad)} of {len(files)}", not bad, tuple(map(str, bad))
    )


def _words(text: str) -> str:
    return " ".join(re.sub(r"(?m)^\s*(#|\.\.)", " ", text).split())


def _loads(clone: Clone) -> Row:
    done = clone.run("loads", sys.executable, "-c", LOADED, **LOADING)
    last = (done.output.splitlines() or [""])[-1]
    # The default of an option shows that Airflow knows the section.
    wanted = "airflow.executors.fargate_executor FargateExecutor airflow"
    return Row("the executor loads by its name", "-", last or "nothing", done.code == 0 and last == wanted)


def _config_listed(clone: Clone) -> Row:
    listed = ["config", "list", "--section", "fargate", "--include-descriptions", "--defaults"]
    done = clone.run("config-list", sys.executable, "-m", "airflow", *listed)
    # An example of an option is commented twice, with a word before it.
    found = Counter(re.findall(r"(?m)^#? ?([a-z_]+) = ", done.output))
    ours = yaml.safe_load((clone.repository / SECTION).read_text(encoding="utf-8"))["fargate"]["options"]
    wrong = [f"listed {found[name]} times: {name}" for name in sorted({*found, *ours}) if found[name] != 1]
    wrong += [f"none of ours: {name}" for name in sorted(found.keys() - ours)]
    return Row(
        "airflow config list --section fargate",
        "-",
        f"{len(found)} of {len(ours)} options",
        done.code == 0 and not wrong,
        tuple(wrong),
    )


def _config_lint(clone: Clone) -> Row:
    check = "airflow config lint"
    done = clone.run("config-lint", sys.executable, "-m", "airflow", "config", "lint", "--section", "fargate")
    if "invalid choice" in done.output:
        return Row(check, "-", "this Airflow has no such command", None)
    return Row(check, "-", "no issues" if "No issues" in done.output else "issues", done.code == 0)


def _default_configuration(clone: Clone) -> Row:
    """Run what the hook check-default-configuration runs in a container."""
    check = "the tree's check of the default configuration"
    script = clone.root / "scripts/in_container/run_check_default_configuration.py"
    if not script.is_file():
        return Row(check, "-", "the tree has none", None)
    done = clone.run("default-configuration", sys.executable, script)
    said = tuple(done.output.splitlines()[-6:])
    return Row(check, "-", "issues" if done.code else "no issues", done.code == 0, said if done.code else ())

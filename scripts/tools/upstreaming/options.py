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
"""The command line of ``scripts/upstream``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

GROUPS = ("patch", "forms", "hooks", "types", "tests")
# Those that import the tree's Airflow, and so need what it depends on.
WITH_AIRFLOW = ("forms", "types", "tests")
# Exit codes.
GOOD, FAILED, IMPOSSIBLE, INCOMPLETE = range(4)
MEANINGS = """\
exit codes:
  0  all that can be checked here was checked, and nothing fails that had passed
  1  something fails with the patch that had passed without it, or that is new
  2  the checks could not be made
  3  nothing of the kind fails, but something was not checked that can be: the last line names it
"""
REQUIREMENTS = Path(__file__).parents[3] / "requirements"


def parse(arguments: list[str], description: str | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=description, epilog=MEANINGS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "tree",
        type=Path,
        help="a checkout of Airflow's repository, committed; or a version, such as 3.4.0b2: the core's source distribution",
    )
    parser.add_argument(
        "--only", choices=GROUPS, action="append", help="this group of checks (again for more; default: all)"
    )
    parser.add_argument("--logs", type=Path, help="keep what the checks said in this folder")
    return parser.parse_args(arguments)


def is_version(tree: Path) -> bool:
    """Whether the version of a release stands in the place of a checkout."""
    return bool(re.fullmatch(r"\d+(\.\d+)+\w*", str(tree))) and not tree.exists()


def lines_known() -> list[str]:
    """Return the lines of releases for which there are requirements, the newest last."""
    lines = [path.stem.removeprefix("upstream-") for path in REQUIREMENTS.glob("upstream-*.in")]
    return sorted(lines, key=lambda line: [int(number) for number in line.split(".")])


def line_of(version: str) -> str:
    """Return the line of releases that a version is of, such as ``3.0``."""
    return ".".join(version.split(".")[:2])


def why_unknown(version: str) -> str:
    """Return why nobody knows what a tree of this version depends on; empty where the requirements tell."""
    line = line_of(version)
    if line not in lines_known():
        return f"there is no requirements/upstream-{line}.in of what this tree depends on; make one after the others"
    if "dev" in version:
        return (
            f"requirements/upstream-{line}.in is of the release; a tree on the way to it needs other packages"
        )
    return ""

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
What of the repository a source tree takes: all that this tree needs, and no more.

An installed Airflow takes every file of the package, whatever its release.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from tools.overlay.left_out import without

# The source of our options; a source tree has them in Airflow's own file.
CONFIG_TEMPLATE = "config_templates/fargate.yml"
# The folder of a room with a file for each older line of releases, each of which needs those of the newer lines; and their
# tests.
OLDER = "older"
_LINE = re.compile(rf".*/(?:{OLDER}/|test_)airflow_(\d+)_(\d+)\.py")
# Which of the lines this Airflow is of; in a source tree that is no question.
BRIDGE = "executors/fargate/bridge/__init__.py"
PICKER = "executors/fargate/bridge/older/__init__.py"
# A room that stays here, and its module: the command "check", with calls to many services of AWS that the executor does not
# make, would be a fifth of the patch.
CHECK = "executors/fargate/cli/check/"
NOT_IN_A_TREE = ("airflow.executors.fargate.cli.check",)
# Pages that stay here: of our templates and commands for AWS, that room's, prices, what is of providers' executors, and the
# options, of which Airflow makes a page itself.
PAGES_HERE = ("fargate-aws", "fargate-check", "fargate-cost", "fargate-moving-over", "fargate-options")


def package_for(files: dict[str, Path], version: str) -> dict[str, Path]:
    """Return the files of the package for a tree of a version."""
    wanted = _without_older_lines(files, version)
    del wanted[CONFIG_TEMPLATE]
    return {name: path for name, path in wanted.items() if not name.startswith(CHECK)}


def tests_for(files: dict[str, Path], version: str) -> dict[str, Path]:
    """Return the tests for a tree of a version."""
    return _without_older_lines(files, version)


def pages_for(files: dict[str, Path]) -> dict[str, Path]:
    """Return the pages of documentation for a tree; pictures stay here, since scripts of ours make them."""
    return {
        name: path for name, path in files.items() if path.suffix == ".rst" and path.stem not in PAGES_HERE
    }


def module_for(source: bytes, path: str) -> bytes:
    """Return the source of a module as a tree has it: the options are in Airflow's own file, and a room is not there."""
    return without(
        source.replace(PurePosixPath(CONFIG_TEMPLATE).name.encode(), b"config.yml"), NOT_IN_A_TREE, path
    )


def bridge_for(source: bytes, files: dict[str, Path]) -> dict[str, bytes]:
    """
    Return the modules that find out about the line, for a tree, which is of one.

    :param source: our own module
    :param files: those that the tree takes of the package
    """
    header = source[: source.index(b'"""')].decode()
    lines = sorted((line, name) for name in files if (line := _line_of(name)))
    if lines:
        imports = f"from airflow.{lines[0][1].removesuffix('.py').replace('/', '.')} import Base, Contract"
    else:
        imports = "from airflow.executors.base_executor import BaseExecutor as Base"
        imports += "\nfrom airflow.executors.fargate.bridge.contract import Contract"
    bridge = f'''{header}"""What knows Airflow: its interface, its database, its metrics."""

from __future__ import annotations

{imports}

__all__ = ["AIRFLOW", "Base"]

#: What Airflow gives an executor, and expects of it.
AIRFLOW = Contract()
'''
    laid = {BRIDGE: bridge.encode()}
    if lines:
        text = "What is otherwise than on newer lines of Airflow's releases; each derives from the next newer one's."
        laid[PICKER] = f'{header}"""{text}"""\n'.encode()
    return laid


def _without_older_lines(files: dict[str, Path], version: str) -> dict[str, Path]:
    """Leave out the lines that are older than a version; without any line left, their folders."""
    line = tuple(int(number) for number in version.split(".")[:2])
    kept = {name: path for name, path in files.items() if (_line_of(name) or line) >= line}
    folders = {PurePosixPath(name).parent for name in kept if _line_of(name)}
    return {
        name: path
        for name, path in kept.items()
        if (folder := PurePosixPath(name).parent).name != OLDER or folder in folders
    }


def _line_of(name: str) -> tuple[int, int] | None:
    found = _LINE.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None

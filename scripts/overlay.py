#!/usr/bin/env python3
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
Lay FargateExecutor on an Airflow, and take it away again; or print the patch.

    scripts/overlay.py apply   [TARGET] [--link] [--force]
    scripts/overlay.py revert  [TARGET] [--force]
    scripts/overlay.py status  [TARGET]
    scripts/overlay.py diff    [TARGET] [--format-patch]

In a source checkout each takes --pull-request NUMBER, which names the newsfragment.

TARGET is a virtual environment, a site-packages folder, an ``airflow`` package folder or a source checkout of
Airflow's repository; without it, the Airflow of the Python that runs this. A checkout takes all that a pull request
needs, tests and documentation included. Exit codes: 0 done; 1 ``status`` found something for ``apply`` to do, or
why it would refuse; 2 refused, with nothing changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

try:
    from tools.overlay.errors import OverlayError
    from tools.overlay.installation import Installation, Report, applied_number
    from tools.overlay.layout import find_tree
    from tools.overlay.plan import Overlay
except ModuleNotFoundError as error:
    if error.name not in ("libcst", "yaml"):
        raise
    needed = REPOSITORY / "requirements" / "overlay.in"
    print(f"overlay: {error.name} is missing: {sys.executable} -m pip install -r {needed}", file=sys.stderr)
    sys.exit(2)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        report = _run(options)
    except OverlayError as error:
        print(f"overlay: {error}", file=sys.stderr)
        return 2
    if isinstance(report, bytes):
        sys.stdout.buffer.write(report)
        return 0
    print("\n".join(report.lines))
    return 0 if report.settled else 1


def _run(options: argparse.Namespace) -> Report | bytes:
    tree = find_tree(options.target)
    number = options.pull_request or applied_number(tree)
    installation = Installation(Overlay(options.repository / "airflow", number), tree)
    if options.command == "apply":
        return installation.apply(link=options.link, force=options.force)
    if options.command == "revert":
        return installation.revert(force=options.force)
    if options.command == "diff":
        return installation.diff(mail=options.format_patch)
    return installation.status()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Lay FargateExecutor on an Airflow, and take it away again; or print the patch."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_text in (
        ("apply", "lay our files and register the executor, or bring both up to date"),
        ("revert", "give back every file as it was"),
        ("status", "tell what is applied and what differs"),
        ("diff", "print what apply changes as a patch, and change nothing"),
    ):
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.add_argument(
            "target",
            nargs="?",
            type=Path,
            help="environment, site-packages or airflow folder, or a source checkout (default: this Python's)",
        )
        command.add_argument(
            "--pull-request",
            type=int,
            metavar="NUMBER",
            help="the newsfragment's number, in a checkout (default: the one applied, or the proposal's)",
        )
        command.add_argument("--repository", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
        if name == "apply":
            command.add_argument(
                "--link", action="store_true", help="link to the repository's files, for development"
            )
        if name == "diff":
            command.add_argument(
                "--format-patch", action="store_true", help="as a series of commits for git am"
            )
        if name in ("apply", "revert"):
            command.add_argument(
                "--force", action="store_true", help="discard what others changed since apply"
            )
    return parser


if __name__ == "__main__":
    sys.exit(main())

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
"""``scripts/aws``' commands, in the environment that has boto3: ``python -m tools.aws deploy …``."""

from __future__ import annotations

import argparse
import functools
import shlex
import signal
import sys
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm

from tools.aws import place
from tools.aws.deploy import Deploy
from tools.aws.destroy import Destroy
from tools.aws.errors import DeploymentError
from tools.aws.explanations import explain_error
from tools.aws.options import parse
from tools.aws.stacks import Event, Stacks
from tools.aws.status import Status
from tools.aws.verifying.command import Verify

#: Throttled calls are sent again, some more often than botocore does by itself.
CONFIG = Config(retries={"mode": "standard", "max_attempts": 10})


def main(arguments: Sequence[str]) -> int:
    """Run one of the commands and return its exit code; 130 after Ctrl-C, as a shell has it."""
    command, given = arguments[0], parse(arguments[0], arguments[1:], None)
    console = Console()
    try:
        return run(command, given, console)
    except DeploymentError as error:
        said = str(error)
    except (BotoCoreError, ClientError) as error:
        said = explain_error(error)
    except KeyboardInterrupt:
        said = f"\nInterrupted.{_what_goes_on(arguments, given)}"
        console.print(said, soft_wrap=True, highlight=False, markup=False)
        return 130
    console.print(f"[red]{escape(said)}[/red]", soft_wrap=True, highlight=False)
    return 1


def _what_goes_on(arguments: Sequence[str], given: argparse.Namespace) -> str:
    """Return what is said after Ctrl-C of what AWS does on, with whole command lines."""
    if arguments[0] not in ("deploy", "destroy"):
        return ""
    where = ["--name", given.name, *(["--region", given.region] if given.region else [])]
    status, delete = (shlex.join([f"scripts/aws/{name}", *where]) for name in ("status", "destroy"))
    again = shlex.join([f"scripts/aws/{arguments[0]}", *arguments[1:]])
    deletes = f"; {delete} deletes it" * (arguments[0] == "deploy")
    return f" AWS goes on with what was begun: {status} shows it. {again} run again goes on{deletes}."


def run(command: str, given: argparse.Namespace, console: Console) -> int:
    """Run a command with AWS's clients."""
    session = boto3.Session(region_name=given.region)

    @functools.cache
    def client(service: str) -> Any:
        return session.client(service, config=CONFIG)

    def show(event: Event) -> None:
        said = f"  {event.reason}" if event.reason else ""
        line = f"{event.stack}  {event.status:<20} {event.logical_id} ({event.type}){said}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    def ask(question: str) -> bool:
        if not sys.stdin.isatty():
            raise DeploymentError("Nobody can be asked here. Give --yes to go on without a question.")
        return Confirm.ask(question, console=console, default=False)

    stacks = Stacks(client("cloudformation"), show)
    here = place.of(client)
    console.print(str(here), highlight=False, markup=False, soft_wrap=True)
    if command == "deploy":
        return Deploy(given, client, stacks, console, ask).run()
    if command == "destroy":
        return Destroy(given.name, client, stacks, console, here).run(
            lambda: given.yes or ask("Delete all of this?")
        )
    if command == "verify":
        return Verify(given, client, stacks, console, ask).run()
    return Status(given.name, client, stacks, console, here).run()


if __name__ == "__main__":
    # A terminal that is closed, and whoever ends processes, mean what Ctrl-C means: verify cleans up then.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))

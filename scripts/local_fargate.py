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
Run a local Fargate: ECS and CloudWatch Logs over HTTP on this machine, for boto3.

Once it answers it prints one line of JSON: where it is and, with --setup, what was created. Point boto3
at it with AWS_ENDPOINT_URL and any credentials. It runs until SIGTERM or SIGINT, and ends every process
that it started. Calls of other services, such as STS, EC2, IAM and ECR, are answered by moto.

A container is a process of this machine that gets none of this machine's environment variables. It has those
that its task definition and the request's overrides name, HOME, LANG, those of Fargate such as AWS_REGION, and
a PATH of the system's own folders: for programs elsewhere, as in a virtual environment, PATH must be in the
`environment` of the task definition, which --container-env is for that of --setup.

While it runs, /_fargate/settings (GET, PUT, PATCH), /_fargate/tasks, /_fargate/calls and
/_fargate/interruptions (POST) at the same address adjust it and tell what happened.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.simulator.bootstrap import Wanted, create
from tools.simulator.http.server import check_loopback
from tools.simulator.settings import DEFAULT_REGION, FAULT_KINDS, Fault, Pretend, Settings, SettingsError

if TYPE_CHECKING:
    from tools.simulator.server import LocalFargate


def main() -> int:
    """Serve until a signal comes."""
    arguments = _parser().parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = _read_settings(arguments.settings)
        check_loopback(arguments.host)
        # What is loaded until it answers stays for good: a third of the start would go into looking for what can be freed.
        gc.disable()
        # moto takes seconds to import; whoever made a mistake need not wait for it.
        from tools.simulator.server import LocalFargate

        fargate = LocalFargate(settings, arguments.host, arguments.port, arguments.region, arguments.preload)
    except SettingsError as error:
        print("The settings make no sense:", *error.mistakes, sep="\n  ", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    with fargate:
        facts = _facts(fargate, arguments)
        gc.freeze()
        gc.enable()
        _announce(facts, arguments.ready_file)
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address; any other is refused")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--region", default=DEFAULT_REGION, help="default: %(default)s")
    parser.add_argument(
        "--settings",
        metavar="JSON|FILE",
        default="{}",
        help="such as '{\"stopping_time\": 15}'; see settings.py",
    )
    parser.add_argument(
        "--ready-file", type=Path, metavar="PATH", help="write the line of JSON there as well"
    )
    parser.add_argument(
        "--preload", action="append", default=[], metavar="MODULE",
        help="import it once for all containers that run a Python module, which start faster then; repeatable",
    )  # fmt: skip
    setup = parser.add_argument_group("what to create")
    setup.add_argument(
        "--setup", action="store_true", help="a cluster, the network, a log group and a task definition"
    )
    setup.add_argument(
        "--container-env", type=_pair, action="append", default=[], metavar="NAME=VALUE",
        help="the container's environment, in the task definition of --setup, and of no other; repeatable",
    )  # fmt: skip
    setup.add_argument(
        "--sidecar", type=_pair, action="append", default=[], metavar="NAME=COMMAND",
        help="a container beside it that runs a shell command and is not essential; repeatable",
    )  # fmt: skip
    setup.add_argument(
        "--stop-timeout", type=int, default=30, metavar="SECONDS",
        help="from SIGTERM to SIGKILL; default: %(default)s",
    )  # fmt: skip
    return parser


def _settings_help() -> str:
    settings, fault, pretend = (inspect.getdoc(documented) for documented in (Settings, Fault, Pretend))
    kinds = "\n".join(f"  {kind:<18} {told}" for kind, told in FAULT_KINDS.items())
    return (
        f"the settings:\n{settings}\n\na fault, for example"
        f' {{"kind": "throttle", "operation": "RunTask", "times": 3}}:\n{fault}\n\n'
        f'kinds of faults:\n{kinds}\n\npretend, for example {{"duration": [1, 5], "exit_codes": 0}}:\n{pretend}'
    )


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _read_settings(text: str) -> Settings:
    """Read settings from JSON, or from the file that ``text`` names."""
    source = text if text.lstrip().startswith("{") else Path(text).read_text()
    try:
        return Settings.from_json(json.loads(source))
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError([f"not JSON: {error}"]) from error


def _facts(fargate: LocalFargate, arguments: argparse.Namespace) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "endpoint_url": fargate.endpoint_url,
        "control_url": f"{fargate.endpoint_url}/_fargate",
        "region": fargate.region,
        "pid": os.getpid(),
    }
    if arguments.setup:
        wanted = Wanted(
            environment=dict(arguments.container_env),
            stop_timeout=arguments.stop_timeout,
            sidecars=dict(arguments.sidecar),
        )
        facts.update(create(fargate, wanted).to_json())
    return facts


def _announce(facts: dict[str, Any], ready_file: Path | None) -> None:
    """Print the line of JSON, and write the file in one step, so that nobody reads half of it."""
    line = json.dumps(facts)
    if ready_file:
        unfinished = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        unfinished.write_text(f"{line}\n")
        unfinished.replace(ready_file)
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

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
"""The options of ``scripts/aws``' commands; the standard library alone, since nothing is installed yet."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

#: The same that the templates allow for DeploymentName: it begins names of roles, of stacks and of an ECR repository. SSM keeps
#: names that begin with aws and ssm to itself, and Elastic Load Balancing those with internal-.
NAME = r"(?=.{2,30}$)(?!aws|ssm|internal-)[a-z][a-z0-9]*(-[a-z0-9]+)*"
NETWORKS = ("public", "private")
#: What the tag of an image that deploy builds begins with, and what --airflow is: Airflow's version.
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)((?:a|b|rc)\d+)?(?![\w.])")
#: The Airflow of the image that is built at first.
AIRFLOW = "3.3.2"


def parse(command: str, arguments: Sequence[str], description: str | None) -> argparse.Namespace:
    """Read the command line of ``deploy``, ``status``, ``verify`` or ``destroy``; a mistake in it ends the program."""
    parser = argparse.ArgumentParser(
        prog=f"scripts/aws/{command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--name", type=_name, default="airflow",
        help="the deployment, which all names and tags of what is made come from (%(default)s)",
    )  # fmt: skip
    parser.add_argument("--region", help="the AWS Region; without it that of the AWS configuration")
    if command == "deploy":
        _add_deploy(parser)
    if command == "verify":
        _add_verify(parser)
    if command != "status":
        parser.add_argument("--yes", action="store_true", help="do not ask before anything is done")
    given = parser.parse_args(arguments)
    if command == "deploy":
        given.options_file = given.options_file or Path(f"fargate-{given.name}.cfg")
    if command == "deploy" and given.network and (given.vpc or given.subnets):
        parser.error("--network makes a VPC: no --vpc and no --subnets beside it")
    if command == "deploy" and bool(given.vpc) != bool(given.subnets):
        parser.error("--vpc and --subnets go together")
    if command == "deploy" and given.image and given.airflow:
        parser.error("--airflow is for the image that is built: --image brings an Airflow of its own")
    if command == "deploy" and given.subnets and not given.tasks_only and "," not in given.subnets:
        parser.error("--subnets: the database and the load balancer need two, in two Availability Zones")
    return given


def _add_deploy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tasks-only", action="store_true",
        help="make what ECS tasks need alone, for an Airflow that runs elsewhere; without it a whole Airflow is made",
    )  # fmt: skip
    parser.add_argument("--vpc", type=_vpc, help="the VPC that the ECS tasks run in")
    parser.add_argument("--subnets", metavar="ID,ID", type=_subnets, help="subnets of that VPC")
    parser.add_argument(
        "--network", choices=NETWORKS,
        help="make a VPC: public subnets, which cost nothing by the hour; or private ones, with VPC endpoints for 0.06 US$ an hour, "
        "0.12 with a whole Airflow",
    )  # fmt: skip
    _add_parameter(
        parser, "any other parameter of the templates, which describe theirs at the top; repeatable"
    )
    parser.add_argument(
        "--image",
        help="an image of scripts/docker/Dockerfile, or one built FROM it, for the processors of the parameter Architecture; "
        "without it one is built and pushed",
    )
    parser.add_argument(
        "--airflow", metavar="VERSION", type=_version,
        help="the Airflow of the image that is built, which must be the scheduler's, and is 3.3 or newer without --tasks-only "
        f"({AIRFLOW} at first, then as before)",
    )  # fmt: skip
    parser.add_argument(
        "--rebuild", action="store_true",
        help="build the image although the repository has it, as for another Architecture; what runs keeps the one that it has, "
        "so that a new tag is better: --parameter ImageTag=3.3.2-2",
    )  # fmt: skip
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be made or changed, and its cost, and make nothing",
    )
    parser.add_argument(
        "--options-file",
        type=Path,
        help="where --tasks-only writes Airflow's options (fargate-NAME.cfg)",
    )


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only",
        metavar="TRIAL,TRIAL",
        type=_names,
        default=(),
        help="these trials alone; without it all of them",
    )
    parser.add_argument(
        "--report", metavar="FOLDER", type=Path,
        help="where to write the report, the recordings and the log (verify- and the time)",
    )  # fmt: skip
    _add_parameter(
        parser, "a setting of the trials' Airflow, which the command lists before it asks; repeatable"
    )


def _add_parameter(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--parameter", metavar="NAME=VALUE", type=_pair, action="append", default=[], help=what
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _name(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: 2 to 30 lower case letters, digits and single hyphens, with a letter first and no hyphen last, "
            "and neither aws nor ssm nor internal- at the beginning"
        )
    return text


def _vpc(text: str) -> str:
    if not text.startswith("vpc-"):
        raise argparse.ArgumentTypeError(f"{text!r}: write the id of a VPC, vpc-...")
    return text


def _subnets(text: str) -> str:
    for name in text.split(","):
        if not name.startswith("subnet-"):
            raise argparse.ArgumentTypeError(f"{name!r}: write ids of subnets, subnet-...,subnet-...")
    return text


def _version(text: str) -> str:
    if not VERSION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: write Airflow's version, such as {AIRFLOW}")
    return text


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=VALUE")
    return name, value

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
"""What the program of the trials is told by its environment, and what it makes up for one run."""

from __future__ import annotations

import json
import secrets
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
METADATA = "ECS_CONTAINER_METADATA_URI_V4"
#: Seconds for its answer.
TIMEOUT = 10


@dataclass(frozen=True)
class Settings:
    """Where the trials run and on what; the passwords are of this run alone."""

    cluster: str
    deployment: str
    """``startedBy`` of the trials' ECS tasks."""
    task_definition: str
    broken_task_definition: str
    """One whose image is not there."""
    container: str
    subnets: str
    security_groups: str
    assign_public_ip: str
    region: str
    trials: tuple[str, ...]
    """The names of those that are to run; empty for all."""
    database: str = field(repr=False)
    port: int
    mapped: int
    """The number of mapped tasks in the trial of many."""
    address: str
    """Of this machine, as the tasks' containers reach it."""
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Read the environment; KeyError, with its name, where a variable is missing."""
        return cls(
            cluster=environment["VERIFY_CLUSTER"],
            deployment=environment["VERIFY_DEPLOYMENT"],
            task_definition=environment["VERIFY_TASK_DEFINITION"],
            broken_task_definition=environment["VERIFY_BROKEN_TASK_DEFINITION"],
            container=environment["VERIFY_CONTAINER"],
            subnets=environment["VERIFY_SUBNETS"],
            security_groups=environment["VERIFY_SECURITY_GROUPS"],
            assign_public_ip=environment.get("VERIFY_ASSIGN_PUBLIC_IP", "ENABLED"),
            region=environment["VERIFY_REGION"],
            trials=tuple(filter(None, environment.get("VERIFY_TRIALS", "").split(","))),
            database=environment["VERIFY_DATABASE"],
            port=int(environment.get("VERIFY_API_PORT", "8080")),
            mapped=int(environment.get("VERIFY_MAPPED", "200")),
            address=own_address(environment),
        )

    @property
    def api(self) -> str:
        """Where the API server is from here."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def execution_api(self) -> str:
        """Where the execution API is for the tasks' containers."""
        return f"http://{self.address}:{self.port}/execution/"

    @property
    def network(self) -> dict[str, Any]:
        """The network configuration of an ECS task."""
        groups = list(filter(None, self.security_groups.split(",")))
        return {
            "awsvpcConfiguration": {
                "subnets": self.subnets.split(","),
                "assignPublicIp": self.assign_public_ip,
                **({"securityGroups": groups} if groups else {}),
            }
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may not be printed."""
        database = unquote(urlsplit(self.database).password or "")
        return tuple(filter(None, (self.password, self.secret, database)))


def _read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        return json.load(answer)


def own_address(environment: Mapping[str, str], read: Callable[[str], Any] = _read) -> str:
    """Return the address of this ECS task in its VPC; outside of one, that of this machine for itself."""
    if METADATA not in environment:
        return "127.0.0.1"
    return str(read(environment[METADATA])["Networks"][0]["IPv4Addresses"][0])

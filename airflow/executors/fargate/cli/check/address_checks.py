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
"""The check of the address that a container asks: that of the API server, or of Airflow 2's database."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, FROM_INSIDE, OK, UNKNOWN, Row
from airflow.executors.fargate.cli.check.questions import Question, host_question

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.check.airflow_facts import AirflowFacts
    from airflow.executors.fargate.cli.check.facts import Facts

API, DATABASE = "execution API", "database"
#: The environment variables of the options that a container needs.
API_URL = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
BASE_URL = "AIRFLOW__API__BASE_URL"
DATABASE_URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
#: The part of the API server's address that tasks ask; Airflow adds it to ``[api] base_url``.
EXECUTION_PATH = "/execution/"


class Address(NamedTuple):
    """An address that a container asks."""

    #: Empty if nothing that can be looked at sets it; None if it is in a secret or in a file.
    text: str | None
    #: Where it is set.
    where: str = ""
    #: Whether it is set for the container; otherwise it is that of the machine, and its image has its own.
    of_container: bool = False

    @property
    def url(self) -> URL | None:
        """The address in its parts; None if it has none."""
        try:
            return make_url(self.text) if self.text else None
        except (ArgumentError, ValueError):
            return None

    @property
    def host(self) -> str:
        """The host, the first one that PostgreSQL's arguments name, or the folder of a socket; empty without one."""
        if self.url is None:
            return ""
        named = self.url.query.get("host") or self.url.host or ""
        host = (named if isinstance(named, str) else named[0]).split(",")[0]
        # What precedes an @ in it is the end of a password with an @.
        return "" if "@" in host else host

    def __str__(self) -> str:
        """Return scheme, host, port and path, with no user, password or parameters; and where it is set."""
        if (url := self.url) is None:
            return self.where
        port = f":{url.port}" if url.port else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{url.drivername}://{host}{port}/{url.database or ''}, {self.where}"


def address_questions(facts: Facts) -> Iterable[Question]:
    """Yield the question for the host."""
    host = _address(facts, facts.airflow).host if facts.airflow else ""
    if host and not is_of_the_machine(host):
        yield host_question(host)


def _address(facts: Facts, airflow: AirflowFacts) -> Address:
    """Return the address: of the container's environment, or else of this machine's options."""
    own, names = facts.environment, (API_URL, BASE_URL) if airflow.has_api else (DATABASE_URL,)
    for name in names:
        for variant in (name, f"{name}_CMD", f"{name}_SECRET"):
            if variant in own:
                text = _with_path(own[name], name) if variant == name else None
                return Address(text, f"{variant} of the container", of_container=True)
    if (facts.container_definition or {}).get("environmentFiles"):
        return Address(None, "environmentFiles of the container", of_container=True)
    options = {
        "[core] execution_api_server_url here": airflow.api_url,
        "[api] base_url here": _with_path(airflow.base_url, BASE_URL),
        "[database] sql_alchemy_conn here": airflow.database_url,
    }
    return next((Address(text, where) for where, text in options.items() if text), Address(""))


def _with_path(text: str | None, name: str) -> str | None:
    """Return the address that Airflow makes of ``base_url``; empty for one without a host."""
    if name != BASE_URL or not text:
        return text
    return f"{text.rstrip('/')}{EXECUTION_PATH}" if "://" in text else ""


def is_of_the_machine(host: str) -> bool:
    """Tell whether a host is the machine itself, which is another one for each container."""
    if host == "localhost" or host.endswith(".localhost") or host.startswith("/"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def check_address(facts: Facts) -> Iterable[Row]:
    """Check that there is an address, that it is of another machine, and that its host resolves."""
    if facts.airflow is None or not facts.container_definition:
        return
    check, name = (API, API_URL) if facts.airflow.has_api else (DATABASE, DATABASE_URL)
    remedy = f"Set {name} in the environment of the container, to what ECS tasks reach"
    address = _address(facts, facts.airflow)
    if address.text is None:
        yield Row(check, UNKNOWN, f"not looked at: {address.where} has it", FROM_INSIDE)
    elif not address.text:
        asks = "asks localhost" if facts.airflow.has_api else "has a database of its own"
        yield Row(check, FAILED, f"nothing that can be looked at sets it, so a container {asks}", remedy)
    elif not address.host:
        yield Row(check, FAILED, f"{address.where} has no host; an @ in its password must be %40", remedy)
    elif is_of_the_machine(address.host):
        yield _of_the_machine(facts, check, f"{address}: this is the container itself", remedy)
    else:
        yield _check_host(facts, check, address, remedy)


def _of_the_machine(facts: Facts, check: str, found: str, remedy: str) -> Row:
    """Return the row of an address of the machine itself, which is right for a local stand-in for ECS."""
    if is_of_the_machine(urlsplit(facts.endpoints.get("ecs", "")).hostname or ""):
        found = f"{found}; ECS is at this machine, too"
        return Row(check, ADVICE, found, "Nothing, if that is a local stand-in")
    return Row(check, FAILED, found, remedy)


def _check_host(facts: Facts, check: str, address: Address, remedy: str) -> Row:
    answer = facts.answers.get(host_question(address.host))
    if answer is None or answer.error:
        found = f"{address}: its host does not resolve here; if only the VPC knows it, that proves nothing"
        return Row(check, UNKNOWN, found, FROM_INSIDE)
    hosts = answer.response.get("addresses") or ()
    found = f"{address}: {', '.join(hosts)}"
    if any(map(is_of_the_machine, hosts)):
        return _of_the_machine(facts, check, found, remedy)
    if check == API and not (address.text or "").rstrip("/").endswith(EXECUTION_PATH.rstrip("/")):
        return Row(check, ADVICE, f"{found}; it does not end in {EXECUTION_PATH}", remedy)
    if not address.of_container:
        found = f"{found}; whether the container's image has the same is not known"
        return Row(check, UNKNOWN, found, remedy)
    return Row(check, OK, found)

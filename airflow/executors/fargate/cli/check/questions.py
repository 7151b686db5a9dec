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
The questions of ``airflow fargate check`` to the services beside ECS. All calls are read-only.

A check and what asks for it make the same :class:`Question` of the facts: what was asked is found by it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.executors.fargate.cli.asking import NO_ANSWER, Answer, ask, known_errors
from airflow.executors.fargate.cli.check.facts import MAX_CALLS, Facts

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.asking import Account

#: Looks up a host's addresses; no service of AWS.
DNS = "dns"
#: The error of a name that does not resolve.
NOT_RESOLVED = "NotResolved"
#: Rounds of questions: an answer can raise further ones, such as a subnet's about its VPC.
MAX_ROUNDS = 3
#: The action of a policy, where it is not the operation's name.
ACTIONS = {"HeadBucket": "s3:ListBucket"}


class Question(NamedTuple):
    """A call to a service. It can be the key of its answer."""

    service: str
    #: As AWS names it, such as GetRole.
    operation: str
    #: As JSON.
    arguments: str
    #: None: that of the options.
    region: str | None = None

    @property
    def action(self) -> str:
        """The permission that the call needs."""
        return ACTIONS.get(self.operation, f"{self.service}:{self.operation}")


#: Returns the questions that facts raise.
Asks = Callable[[Facts], Iterable[Question]]


def question(service: str, operation: str, region: str | None = None, **arguments: Any) -> Question:
    """Return a question with the arguments of boto3's call."""
    return Question(service, operation, json.dumps(arguments, sort_keys=True), region)


def host_question(host: str) -> Question:
    """Return the question for the addresses of a host."""
    return question(DNS, "Resolve", host=host)


def look_further(
    account: Account, facts: Facts, asks: Iterable[Asks], resolve: Callable[[str], list[str]] | None = None
) -> Facts:
    """
    Return the facts with the answers to all questions that they and their queues' raise; each is asked once.

    :param resolve: returns the addresses of a host, or raises OSError; None for the machine's own resolver.
    """
    door, asks = _Door(account, resolve or addresses), list(asks)
    for _ in range(MAX_ROUNDS):
        kinds = [facts, *facts.queues.values()]
        new = {one for kind in kinds for asked in asks for one in asked(kind)} - facts.answers.keys()
        if not new:
            break
        facts = _with(facts, answers={**facts.answers, **door.ask_all(sorted(new, key=str))})
    return _with(facts, endpoints=dict(sorted(account.endpoints.items())))


def _with(facts: Facts, **members: Any) -> Facts:
    """Return facts where they and their queues' have the same members."""
    queues = {name: replace(own, **members) for name, own in facts.queues.items()}
    return replace(facts, queues=queues, **members)


def addresses(host: str) -> list[str]:
    """
    Return the addresses of a host.

    :raises OSError: if it does not resolve.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class _Door:
    """Makes the calls, and one client for each service and Region."""

    def __init__(self, account: Account, resolve: Callable[[str], list[str]]) -> None:
        self._account, self._resolve = account, resolve
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._unreached: dict[tuple[str, str | None], Answer] = {}

    def ask_all(self, questions: Iterable[Question]) -> Mapping[Question, Answer]:
        """Return the answers, asked for at the same time."""
        calls = {one: self._call(one) for one in questions}  # A session makes one client at a time.
        with ThreadPoolExecutor(MAX_CALLS) as pool:
            return dict(zip(calls, pool.map(lambda one: self._ask(one, calls[one]), calls)))

    def _call(self, one: Question) -> Callable[..., Any] | Answer:
        """Return what makes the call; or an answer if no client can be made, such as in an unknown Region."""
        from botocore import xform_name

        if one.service == DNS:
            return partial(_resolved, self._resolve)
        place = one.service, one.region
        try:
            if place not in self._clients:
                self._clients[place] = self._make_client(*place)
        except _client_errors() as error:
            return Answer({}, NO_ANSWER, f"{type(error).__name__}: {error}")
        call: Callable[..., Any] = getattr(self._clients[place], xform_name(one.operation))
        return call

    def _make_client(self, service: str, region: str | None) -> Any:
        # A bucket in the path and not in the host: the host tells whether the call itself failed.
        own: dict[str, Any] = {"s3": {"addressing_style": "path"}} if service == "s3" else {}
        return self._account.client(service, region=region, **own)

    def _ask(self, one: Question, call: Callable[..., Any] | Answer) -> Answer:
        """Return an answer; a service that did not answer once is not asked again."""
        place = one.service, one.region
        if isinstance(call, Answer):
            return call
        if one.service == DNS:
            return Answer(*call(**json.loads(one.arguments)))
        if place not in self._unreached:
            answer = ask(call, **json.loads(one.arguments))
            if answer.error != NO_ANSWER:
                return answer
            self._unreached[place] = answer
        return self._unreached[place]


def _client_errors() -> tuple[type[Exception], ...]:
    """Return what is raised if no client can be made: for a Region that is no host's name it is a ValueError."""
    return *known_errors(), ValueError


def _resolved(resolve: Callable[[str], list[str]], host: str) -> tuple[dict[str, Any], str | None, str]:
    """Return the members of an answer: the addresses of a host."""
    try:
        return {"addresses": resolve(host)}, None, ""
    except (OSError, UnicodeError) as error:  # The latter is for a label that is too long.
        return {}, NOT_RESOLVED, str(error)

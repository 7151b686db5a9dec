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

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ConnectionClosedError


@pytest.fixture
def gates(account):
    """Asks for ``/_fargate/gates``; all of them are open when the test ends."""

    def ask(method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        url = f"{account.fargate.endpoint_url}/_fargate/gates"
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
            return json.load(answer)

    yield ask
    ask("PUT", {})


@pytest.fixture
def caller():
    with ThreadPoolExecutor() as pool:
        yield pool


def held(gates, name):
    deadline = time.monotonic() + 10
    while gates()[name]["waiting"] != 1:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def count(account):
    return len(account.fargate.ledger())


@pytest.mark.parametrize(("point", "carried_out"), [("call", 0), ("answer", 1)])
def test_a_call_waits_until_it_is_let_go(account, gates, caller, point, carried_out):
    """A call that is held is not carried out; where its answer is held, it is."""
    before = count(account)
    gates("PUT", {"it": {"operation": "RunTask", "holds": point}})
    call = caller.submit(account.run)
    held(gates, "it")
    assert count(account) == before + carried_out
    assert not call.done()
    assert gates("PUT", {}) == {}
    assert call.result(10)
    assert count(account) == before + 1


@pytest.mark.parametrize(("point", "carried_out"), [("call", 0), ("answer", 1)])
def test_a_call_that_is_dropped_is_not_carried_out_any_more(account, gates, caller, point, carried_out):
    """Its caller gets no answer, and the call after it goes through."""
    before = count(account)
    gates("PUT", {"it": {"operation": "RunTask", "holds": point}})
    call = caller.submit(account.run)
    held(gates, "it")
    gates("PUT", {"it": {"operation": "RunTask", "holds": point, "drop": True}})
    with pytest.raises(ConnectionClosedError):
        call.result(10)
    assert count(account) == before + carried_out
    gates("PUT", {})
    assert account.run()


def test_other_calls_go_through(account, gates):
    """A gate holds its own operation alone, and of that what contains its text."""
    gates("PUT", {"it": {"operation": "RunTask", "containing": "sesame"}})
    assert isinstance(account.list(), list)
    assert account.run()
    assert gates()["it"]["waiting"] == 0


def test_gates_are_opened_one_by_one(account, gates, caller):
    """One gate goes, and who waits at the other stays."""
    both = {name: {"operation": "RunTask", "containing": name} for name in ("first", "second")}
    gates("PUT", both)
    calls = {name: caller.submit(account.run, "true", environment={"NAME": name}) for name in both}
    for name in both:
        held(gates, name)
    gates("PUT", {"second": both["second"]})
    assert calls["first"].result(10)
    assert not calls["second"].done()
    gates("PUT", {})
    assert calls["second"].result(10)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ([], "gates"),
        ({"it": "RunTask"}, "it"),
        ({"it": {}}, "operation"),
        ({"it": {"operation": "RunTask", "holds": "never"}}, "'answer'"),
        ({"it": {"operation": "RunTask", "drop": 1}}, "true or false"),
        ({"it": {"operation": "RunTask", "more": 1}}, "more"),
    ],
)
def test_what_is_no_gate_is_refused(gates, wrong, told):
    """The answer says what is wrong."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        gates("PUT", wrong)
    assert caught.value.code == 400
    assert told in caught.value.read().decode()

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

import http.client
import json
import socket

import pytest
from tools.simulator.http.server import Answer, DropConnection, HttpServer, check_loopback, is_loopback


def answer(request):
    if request.path == "/drop":
        raise DropConnection
    if request.path == "/bug":
        raise ZeroDivisionError
    return Answer(200, [("X-Method", request.method)], request.body or b"nothing")


@pytest.fixture
def server():
    server = HttpServer(("127.0.0.1", 0), answer)
    server.start()
    yield server
    server.close()


@pytest.fixture
def connection(server):
    connection = http.client.HTTPConnection(*server.server_address, timeout=5)
    yield connection
    connection.close()


def ask(connection, method="POST", path="/", body=b"body"):
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, response.read()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_only_loopback_addresses(host, loopback):
    """Any other address is refused before a socket is opened; so are names, which could mean anything."""
    assert is_loopback(host) is loopback
    if not loopback:
        with pytest.raises(ValueError, match="is not a loopback address"):
            check_loopback(host)
        with pytest.raises(ValueError, match="is not a loopback address"):
            HttpServer((host, 0), answer)


def test_many_requests_on_one_connection(connection):
    """Large and small bodies follow each other on the same connection."""
    for body in (b"small", b"x" * 1_000_000, b"again"):
        assert ask(connection, body=body) == (200, body)


def test_head_has_no_body(connection):
    """The next answer begins where the head ended."""
    assert ask(connection, "HEAD") == (200, b"")
    assert ask(connection, "GET", body=None) == (200, b"nothing")


def test_dropping_resets_the_connection(connection):
    """The caller sees a reset, not an end that looks like an answer's."""
    with pytest.raises(ConnectionResetError):
        ask(connection, path="/drop")


def test_a_dropped_connection_does_not_harm_others(server, connection):
    """Another caller's connection lives on."""
    assert ask(connection)[0] == 200
    other = http.client.HTTPConnection(*server.server_address, timeout=5)
    with pytest.raises(ConnectionResetError):
        ask(other, path="/drop")
    assert ask(connection)[0] == 200


def test_a_bug_is_an_internal_failure(connection, caplog):
    """The caller gets status 500, the log the traceback, and the connection lives on."""
    status, body = ask(connection, path="/bug")
    assert (status, json.loads(body)["__type"]) == (500, "InternalFailure")
    assert "ZeroDivisionError" in caplog.text
    assert ask(connection)[0] == 200


def test_closing_ends_open_connections(server, connection):
    """Nobody is left waiting at a server that is gone."""
    assert ask(connection)[0] == 200
    server.close()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(connection)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.server_address, timeout=1)

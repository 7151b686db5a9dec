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
"""The HTTP front: HTTP/1.1 with connections that stay open, on the loopback interface only."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

log = logging.getLogger(__name__)

# SO_LINGER of 0 s: the close sends a reset, and nothing that waits to be sent.
_NO_LINGER = struct.pack("ii", 1, 0)


class DropConnection(Exception):
    """Reset the connection in place of an answer."""


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request, read whole."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's first value, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")


def is_loopback(host: str) -> bool:
    """Tell whether this is an address of the loopback interface; a name is none."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_loopback(host: str) -> None:
    """
    Refuse to listen anywhere else: whoever reaches the server can run commands.

    :raises ValueError: ``host`` is not an address of the loopback interface
    """
    if not is_loopback(host):
        raise ValueError(f"{host!r} is not a loopback address such as 127.0.0.1; nothing else is served")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class HttpServer(ThreadingHTTPServer):
    """
    A thread for each connection.

    :param address: host and port; port 0 takes a free one
    :param answer: from a request to its answer; DropConnection resets the connection
    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], answer: Callable[[HttpRequest], Answer]) -> None:
        check_loopback(address[0])
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, _Handler)
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), name="fargate-http", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://[{host}]:{port}" if ":" in str(host) else f"http://{host}:{port}"

    def server_bind(self) -> None:
        """Bind without ``HTTPServer``'s look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def opened(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._connections_lock:
            self._connections.discard(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away; report the rest."""
        with contextlib.suppress(ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in one piece, at once: a second small write would wait for the client's ACK.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: HttpServer

    def setup(self) -> None:
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        self.server.closed(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def log_message(self, *args: object) -> None:
        """Keep quiet: what was called can be asked of ``/_fargate/calls``."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = HttpRequest(self.command, self.path, self.headers.items(), body)
        try:
            answer = self.server.answer(request)
        except DropConnection:
            self._drop()
            return
        except Exception:
            log.exception("%s %s could not be answered", request.method, request.path)
            answer = Answer(
                500, [], b'{"__type":"InternalFailure","message":"see the local Fargate\'s output"}'
            )
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _drop(self) -> None:
        self.close_connection = True
        self.server.closed(self.connection)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        os.close(self.connection.detach())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve

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
"""Which part answers a request, and where faults meet it."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tools.simulator.aws_errors import AwsError, server_exception, throttled
from tools.simulator.ecs.log_reading import OPERATION
from tools.simulator.ecs.tasks import new_id
from tools.simulator.faults.edits import edited
from tools.simulator.faults.gates import ANSWER, CALL
from tools.simulator.http.server import Answer, DropConnection, HttpRequest, is_loopback

if TYPE_CHECKING:
    from tools.simulator.ecs.log_reading import LogReading
    from tools.simulator.ecs.moto_side import MotoSide
    from tools.simulator.ecs.operations import Operations
    from tools.simulator.faults.gates import Gates
    from tools.simulator.faults.source import FaultSource
    from tools.simulator.http.control import Control
    from tools.simulator.settings import Fault

CONTROL_PREFIX = "/_fargate"
METADATA_PREFIX = "/v4/"
_LOGS_TARGET = "Logs_20140328"
_ECS_TARGET = "AmazonEC2ContainerServiceV20141113"
_JSON_TYPE = "application/x-amz-json-1.1"
#: Calls of this API version that would start tasks behind our back.
_REFUSED = ("StartTask",)
# "Credential=<key>/<date>/<region>/<service>/aws4_request"
_REGION = re.compile(r"Credential=[^/]+/[^/]+/([^/]+)/")


class CallCounter:
    """How often each operation came, by what became of it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    def count(self, operation: str, result: str) -> None:
        with self._lock:
            self._counts[operation][result] += 1

    def to_json(self) -> dict[str, dict[str, int]]:
        with self._lock:
            return {operation: dict(results) for operation, results in self._counts.items()}

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()


class Application:
    """
    From an HTTP request to its answer.

    :param region: the Region of requests that do not tell theirs
    :param sleep: waits for a latency's seconds
    """

    def __init__(
        self,
        operations: Operations,
        log_reading: LogReading,
        moto: MotoSide,
        faults: FaultSource,
        control: Control,
        calls: CallCounter,
        gates: Gates,
        region: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._operations = operations
        self._log_reading = log_reading
        self._moto = moto
        self._faults = faults
        self._control = control
        self._calls = calls
        self._gates = gates
        self._region = region
        self._sleep = sleep

    def answer(self, request: HttpRequest) -> Answer:
        """
        Answer a request.

        :raises DropConnection: a fault wants the connection reset
        """
        path = urlsplit(request.path).path
        if not _is_local(request):
            return Answer(403, [], b"Only programs on this machine are served.\n")
        if path == CONTROL_PREFIX or path.startswith(f"{CONTROL_PREFIX}/"):
            return self._control.answer(request.method, path[len(CONTROL_PREFIX) :], request.body)
        if path.startswith(METADATA_PREFIX):
            return self._control.metadata(path)
        service, _, operation = request.header("x-amz-target").partition(".")
        if not operation:
            return self._ask_moto(request)
        return self._call(service, operation, request)

    def _call(self, service: str, operation: str, request: HttpRequest) -> Answer:
        """Answer a call of a JSON API, with the fault that was drawn for it."""
        plan = self._faults.call(operation)
        if plan.delay:
            self._sleep(plan.delay)
        kind = plan.fault.kind if plan.fault else ""
        try:
            self._gates.go_through(operation, request.body, CALL)
            if plan.fault:
                _fail_before(plan.fault)
            answer = self._carry_out(service, operation, request)
            self._gates.go_through(operation, request.body, ANSWER)
        except AwsError as error:
            self._calls.count(operation, error.code)
            return _answer(error.status, error.body())
        except DropConnection:
            self._calls.count(operation, kind or "dropped")
            raise
        if plan.lag:
            self._sleep(plan.lag)
        self._calls.count(operation, kind or ("ok" if answer.status < 300 else str(answer.status)))
        return _spoil(answer, plan.fault)

    def _carry_out(self, service: str, operation: str, request: HttpRequest) -> Answer:
        found = _REGION.search(request.header("authorization"))
        region = found[1] if found else self._region
        if (service, operation) == (_LOGS_TARGET, OPERATION):
            return _answer(200, self._log_reading.answer(request.body, region))
        if service != _ECS_TARGET:
            return self._ask_moto(request)
        if operation in _REFUSED:
            raise AwsError("UnsupportedFeatureException", f"{operation} is not to be had here.")
        if operation not in self._operations:
            return self._ask_moto(request)
        return _answer(200, self._operations.answer(operation, request.body, region))

    def _ask_moto(self, request: HttpRequest) -> Answer:
        base = f"http://{request.header('host')}"
        return self._moto.handle(request.method, request.path, request.headers, request.body, base)


def _fail_before(fault: Fault) -> None:
    """Keep a call from being done, if that is what the fault does."""
    if fault.kind == "reset":
        raise DropConnection
    if fault.kind == "throttle":
        raise throttled()
    if fault.kind == "server_error":
        raise server_exception(fault.status)
    if fault.kind == "error":
        raise AwsError(fault.code, fault.message, fault.status)


def _spoil(answer: Answer, fault: Fault | None) -> Answer:
    """Do to the answer of a call that was done what the fault does."""
    kind = fault.kind if fault else ""
    if kind == "response_lost":
        raise DropConnection
    if kind == "garbage":
        return Answer(answer.status, answer.headers, b"\x00<html>this is not JSON" + answer.body[:40])
    if kind == "empty":
        return Answer(answer.status, answer.headers, b"")
    if fault and kind == "edit":
        return Answer(answer.status, answer.headers, edited(answer.body, fault.edits))
    return answer


def _answer(status: int, body: bytes) -> Answer:
    return Answer(status, [("Content-Type", _JSON_TYPE), ("x-amzn-RequestId", new_id())], body)


def _is_local(request: HttpRequest) -> bool:
    """Tell a program on this machine from a web page that a browser on it shows."""
    try:
        host = urlsplit(f"//{request.header('host')}").hostname or ""
    except ValueError:
        return False
    named = host == "localhost" or host.endswith(".localhost")
    return (named or is_loopback(host)) and not request.header("origin")

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
AWS's Security Token Service on a port of this machine, as a source of credentials that comes and goes.

botocore asks it where ``AWS_ROLE_ARN`` and ``AWS_WEB_IDENTITY_TOKEN_FILE`` say so (a pod of EKS, a runner with OIDC), or a
profile with ``role_arn``; ``AWS_ENDPOINT_URL_STS`` leads it here.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import datetime
import threading
import time
from collections import Counter
from types import TracebackType
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tools.simulator.http.server import Answer, HttpRequest, HttpServer

ACTIONS = ("AssumeRole", "AssumeRoleWithWebIdentity")
#: What it refuses with, by its code: the HTTP status, and what AWS says with it.
REFUSALS = {
    "AccessDenied": (403, "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
    "ExpiredTokenException": (
        400,
        "Token expired: current date/time must be before the expiration date/time",
    ),
    "IDPCommunicationError": (400, "The identity provider could not be reached to verify the token."),
    "InvalidIdentityToken": (400, "Couldn't retrieve verification key from your identity provider"),
}
#: Seconds. botocore asks for new credentials where the present ones live for less than ten minutes, and uses no old
#: ones: with this life it asks before each call.
SHORT_LIFE = 300.0
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class LocalSts:
    """
    STS on loopback, as a context manager; it answers well until told otherwise.

    :param life: seconds that the credentials live which it gives
    """

    def __init__(self, life: float = SHORT_LIFE) -> None:
        self.life = life
        self._refusal = ""
        self._silence = threading.Event()
        self._silence.set()
        self._http: HttpServer | None = HttpServer(("127.0.0.1", 0), self._answer)
        self._address = "127.0.0.1", int(self._http.server_address[1])
        self.url = self._http.url
        self._lock = threading.Lock()
        #: How often it was asked, by what became of that.
        self.calls: Counter[str] = Counter()

    def answer_well(self) -> None:
        """Give credentials from now on."""
        self._refusal = ""
        self._silence.set()
        if self._http is None:
            self._http = HttpServer(self._address, self._answer)
            self._http.start()

    def refuse(self, code: str) -> None:
        """
        Answer each call with this error, one of :data:`REFUSALS`.

        :raises ValueError: it is none of them
        """
        if code not in REFUSALS:
            raise ValueError(f"{code!r} is not one of {', '.join(REFUSALS)}")
        self.answer_well()
        self._refusal = code

    def be_silent(self) -> None:
        """Take each call and answer none."""
        self.answer_well()
        self._silence.clear()

    def go_away(self) -> None:
        """Let nobody connect."""
        if self._http is not None:
            self._silence.set()
            self._http.close()
            self._http = None

    def environment(self, token_file: str, role: str) -> dict[str, str]:
        """Return the environment in which botocore asks here for the credentials of a role."""
        return {
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_ROLE_ARN": role,
            "AWS_ROLE_SESSION_NAME": "airflow",
            "AWS_WEB_IDENTITY_TOKEN_FILE": token_file,
        }

    def __enter__(self) -> LocalSts:
        if self._http is not None:
            self._http.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_away()

    def _answer(self, request: HttpRequest) -> Answer:
        action = parse_qs(request.body.decode()).get("Action", [""])[0]
        refusal = self._refusal if action in ACTIONS else "InvalidAction"
        with self._lock:
            self.calls[refusal or "ok"] += 1
        self._silence.wait()
        if refusal:
            status, message = REFUSALS.get(refusal, (400, f"There is no {action} here"))
            return _answer(status, _error(refusal, message))
        return _answer(200, _credentials(action, self.life))


def _answer(status: int, body: str) -> Answer:
    return Answer(status, [("Content-Type", "text/xml")], body.encode())


def _error(code: str, message: str) -> str:
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>local</RequestId></ErrorResponse>"
    )


def _credentials(action: str, life: float) -> str:
    ends = datetime.datetime.fromtimestamp(time.time() + life, datetime.timezone.utc)
    return (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result><Credentials><AccessKeyId>ASIALOCAL</AccessKeyId>'
        "<SecretAccessKey>local</SecretAccessKey><SessionToken>local</SessionToken>"
        f"<Expiration>{ends:%Y-%m-%dT%H:%M:%S.%fZ}</Expiration></Credentials></{action}Result>"
        f"<ResponseMetadata><RequestId>local</RequestId></ResponseMetadata></{action}Response>"
    )

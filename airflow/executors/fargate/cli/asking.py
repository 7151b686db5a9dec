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
"""How the commands call AWS: an error is an answer, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.classify import no_credentials, without_user
from airflow.executors.fargate.aws.clients import make_client
from airflow.executors.fargate.errors import FargateError

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig

#: Seconds and attempts for one call: few, since the user is waiting.
RETRIES = {"mode": "standard", "total_max_attempts": 3}
PATIENCE: dict[str, Any] = {"connect_timeout": 3, "read_timeout": 5, "retries": RETRIES}
#: The errors of a call that was not made, and of one that AWS did not answer.
NO_CREDENTIALS, NO_ANSWER = "NoCredentials", "NoAnswer"
#: The error of a call that botocore did not make: a value has not the form that it must have.
INVALID = "ParamValidationError"
#: Said of an answer that botocore cannot read.
NOT_OF_AWS = "this is no answer of AWS"
#: Said of errors whose own text repeats a value, or the answer.
SAID = {INVALID: "a value has not the right form", "ResponseParserError": NOT_OF_AWS}


@dataclass(frozen=True)
class Answer:
    """The response to one call, or its error."""

    response: Mapping[str, Any] = field(default_factory=dict)
    #: AWS's code or the HTTP status, ``NO_CREDENTIALS`` or ``NO_ANSWER``; None if there is a response.
    error: str | None = None
    #: The text of the error; with the type of an error of botocore's own.
    message: str = ""
    #: What to do if there are no credentials; empty for any other error.
    remedy: str = ""

    def __str__(self) -> str:
        """Return the error in one line."""
        is_code = self.error not in (NO_CREDENTIALS, NO_ANSWER, INVALID) and not (self.error or "").isdigit()
        return ": ".join(filter(None, (self.error if is_code else "", self.message)))


def known_errors() -> tuple[type[Exception], ...]:
    """Return the executor's own errors, and botocore's, to be caught where boto3 may be missing."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    return FargateError, BotoCoreError, ClientError, ResponseParserError


def ask(call: Callable[..., Mapping[str, Any]], **arguments: Any) -> Answer:
    """Make a call and return its answer; an error of botocore's is an answer too."""
    try:
        return Answer(call(**arguments))
    except known_errors() as error:
        client: Any = getattr(call, "__self__", None)
        operations = client.meta.method_to_api_mapping if client else {}
        # The operation decides whose error it is: the executor itself knows only its own ones.
        is_own = getattr(error, "operation_name", "") == operations.get(getattr(call, "__name__", None))
        missing = None if is_own else no_credentials(error, client and client.meta.endpoint_url)
        if missing is not None:
            return Answer({}, NO_CREDENTIALS, *missing)
        response = getattr(error, "response", None)
        if response is None:
            name = type(error).__name__
            text = SAID.get(name) or without_user(str(error))
            return Answer({}, INVALID if name == INVALID else NO_ANSWER, f"{name}: {text}")
        members = response.get("Error", {})
        code = members.get("Code") or "ClientError"
        # Without a code of AWS's the message is the body, such as a proxy's page.
        message = f"HTTP status {code}, without an error code" if code.isdigit() else members.get("Message")
        return Answer({}, code, message or "")
    except (AttributeError, TypeError, ValueError) as error:
        # botocore's parser, if a member has another type than AWS documents.
        return Answer({}, NO_ANSWER, f"{type(error).__name__}: {NOT_OF_AWS}")


class Account:
    """
    Makes clients with the executor's credentials, Region and endpoint.

    :param config: the options.
    :param make_session: returns a boto3 session.
    """

    def __init__(self, config: FargateConfig, make_session: Callable[[], Any]) -> None:
        self._session, self._endpoint_url = make_session(), config.endpoint_url
        #: By service: where it is asked; the last one, if there are several Regions.
        self.endpoints: dict[str, str] = {}
        self.ecs = self.client("ecs")

    def client(self, service: str, **settings: Any) -> Any:
        """Return a client for a service, in the Region of the options unless another ``region`` is given."""
        own = {"endpoint_url": self._endpoint_url, **PATIENCE, **settings}
        client = make_client(self._session, service, **own)
        self.endpoints[service] = client.meta.endpoint_url
        return client

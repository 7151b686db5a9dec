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
"""What the commands have of AWS: clients for single calls, and the answers to them, errors too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.classify import no_credentials
from airflow.executors.fargate.aws.clients import make_client

if TYPE_CHECKING:
    from airflow.executors.fargate.config.config import FargateConfig

#: The attempts of one call: somebody is waiting at the terminal.
ATTEMPTS = 3
#: A command makes one call after the other.
CONNECTIONS = 1

#: In the place of an error's code: the call was not made.
NO_CREDENTIALS = "NoCredentials"


@dataclass(frozen=True)
class Answer:
    """What became of one call: its response, or the error."""

    response: Mapping[str, Any] = field(default_factory=dict)
    #: AWS's error code, or the type of another error; None where there is a response.
    error: str | None = None
    #: The error's own words.
    message: str = ""
    #: What to do where there are no credentials to call with; empty for an error of the call itself.
    remedy: str = ""


def ask(call: Callable[..., Mapping[str, Any]], **arguments: Any) -> Answer:
    """Make a call, and return its answer; what botocore raises is an answer too."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return Answer(call(**arguments))
    except (ClientError, BotoCoreError) as error:
        without = no_credentials(error, _endpoint_url(call))
        if without is not None:
            return Answer({}, NO_CREDENTIALS, *without)
        if isinstance(error, BotoCoreError):
            return Answer({}, type(error).__name__, str(error))
        told = error.response.get("Error", {})
        return Answer({}, told.get("Code") or "ClientError", told.get("Message") or "")


def _endpoint_url(call: Callable[..., Any]) -> str | None:
    """Return where a client's method, or a partial of it, makes its call; None where that is not known."""
    client = getattr(getattr(call, "func", call), "__self__", None)
    url = getattr(getattr(client, "meta", None), "endpoint_url", None)
    return url if isinstance(url, str) else None


class Account:
    """
    Clients with the executor's credentials, Region and endpoint.

    :param config: the options.
    :param make_session: returns a boto3 session.
    """

    def __init__(self, config: FargateConfig, make_session: Callable[[], Any]) -> None:
        self._config = config
        self._session = make_session()
        self.ecs = self.client("ecs")

    @property
    def region(self) -> str:
        """The Region that the calls go to."""
        name: str = self.ecs.meta.region_name
        return name

    @property
    def service_model(self) -> Any:
        """The model of ECS that botocore ships."""
        return self.ecs.meta.service_model

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a client; ``[fargate] endpoint_url`` is that of ECS alone."""
        endpoint = self._config.endpoint_url if service == "ecs" else None
        return make_client(
            self._session,
            service,
            connections=CONNECTIONS,
            region=region,
            endpoint_url=endpoint,
            attempts=ATTEMPTS,
        )

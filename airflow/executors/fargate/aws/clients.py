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
"""The one place that makes clients of AWS, once the scheduler has started: nothing of boto3 is imported before that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.describe_parser import read_less
from airflow.executors.fargate.aws.ecs import Ecs
from airflow.executors.fargate.errors import ConfigError

if TYPE_CHECKING:
    from botocore.model import ServiceModel

#: How the names of all threads of the executor begin.
THREAD_NAMES = "fargate-executor-"
#: Where botocore writes the bodies of requests and responses, at the level DEBUG.
LOGGERS_OF_BODIES = ("botocore.endpoint", "botocore.parsers")

#: Seconds; ECS answers in tenths of a second, and a hanging call holds one of few threads.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10


class _WithoutBodies(logging.Filter):
    """
    Keeps what is sent and received on our threads out of the log, at any level.

    A body holds the container's command with its bearer token, and overrides that can hold passwords.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG or not threading.current_thread().name.startswith(THREAD_NAMES)


_without_bodies = _WithoutBodies()


@lru_cache(maxsize=1)
def service_model() -> ServiceModel:
    """
    Return the model of ECS that the installed botocore has.

    :raises ConfigError: where boto3 is not installed.
    """
    try:
        import boto3  # noqa: F401
        import botocore.session
    except ImportError:
        raise ConfigError(
            ["The package boto3 is not installed. Install it where the scheduler runs."]
        ) from None
    return botocore.session.get_session().get_service_model("ecs")


def make_client(
    session: Any,
    service: str,
    *,
    connections: int,
    region: str | None = None,
    endpoint_url: str | None = None,
    timeouts: tuple[float, float] | None = None,
    attempts: int = 1,
) -> Any:
    """
    Return a boto3 client whose requests and responses are not logged on our threads.

    :param session: a boto3 session.
    :param connections: how many calls are made at the same time.
    :param timeouts: seconds to connect, and to read, for whoever has less patience.
    :param attempts: of each call. One for the fleet: botocore would draw a new ``clientToken`` at each call of its own,
        while the fleet keeps one through all resends, and waits elsewhere than in a thread.
    """
    from botocore.config import Config

    for name in LOGGERS_OF_BODIES:
        logging.getLogger(name).addFilter(_without_bodies)  # Said twice, it is done once.
    connect_timeout, read_timeout = timeouts or (CONNECT_TIMEOUT, READ_TIMEOUT)
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=connections,
        tcp_keepalive=True,
    )
    return session.client(service, region_name=region, endpoint_url=endpoint_url, config=config)


def connect(
    make_session: Callable[[], Any], *, region: str | None, endpoint_url: str | None, connections: int
) -> Ecs:
    """
    Make the fleet's client for ECS, which calls nothing yet.

    :param make_session: returns a boto3 session with the configured credentials.
    :param region: ``[fargate] region``, for the message where no Region is known.
    :param endpoint_url: ``[fargate] endpoint_url``.
    :param connections: how many calls are made at the same time.
    :raises ConfigError: where no client can be made, such as with a profile that is not there.
    """
    from botocore.exceptions import BotoCoreError, NoRegionError

    def make() -> Any:
        client = make_client(make_session(), "ecs", connections=connections, endpoint_url=endpoint_url)
        read_less(client)
        return client

    try:
        return Ecs(make)
    except NoRegionError as error:  # With a connection that names none.
        name = f"[fargate] region = {region!r}"
        raise ConfigError([f"{name}: {error} Set it, or AWS_DEFAULT_REGION, or the connection's."]) from error
    except BotoCoreError as error:
        raise ConfigError(
            [f"The AWS client cannot be made: {error} Check the AWS profile and environment."]
        ) from error

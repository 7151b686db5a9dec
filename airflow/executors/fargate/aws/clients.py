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
"""Makes all clients of AWS. Importing this module does not import boto3; making a client does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.classify import classify_error
from airflow.executors.fargate.aws.describe_parser import read_less
from airflow.executors.fargate.aws.ecs import Ecs
from airflow.executors.fargate.errors import ConfigError

if TYPE_CHECKING:
    from botocore.model import ServiceModel

log = logging.getLogger(__name__)

#: The prefix of the names of all the executor's threads.
THREAD_NAMES = "fargate-executor-"
#: The loggers to which botocore writes the bodies of requests and responses, at level DEBUG.
LOGGERS_OF_BODIES = ("botocore.endpoint", "botocore.parsers")

#: Seconds. ECS answers in tenths of a second, and a hanging call holds one of few threads.
CONNECT_TIMEOUT = 5
READ_TIMEOUT = 10
#: The fleet waits between resends itself, so that they hold no thread and keep to its rate limit.
SENT_ONCE = {"mode": "standard", "total_max_attempts": 1}


def _without_bodies(record: logging.LogRecord) -> bool:
    """
    Keep requests and responses of the executor's threads out of the log: botocore writes them at DEBUG.

    A body contains the command with its bearer token, and overrides that can contain passwords.
    """
    return record.levelno > logging.DEBUG or not threading.current_thread().name.startswith(THREAD_NAMES)


@lru_cache(maxsize=1)
def service_model() -> ServiceModel:
    """
    Return the model of ECS in the installed botocore.

    :raises ConfigError: if boto3 is not installed.
    """
    try:
        import boto3  # noqa: F401
        import botocore.session
    except ImportError:
        mistake = "The package boto3 is not installed. Install it where the scheduler runs."
        raise ConfigError([mistake]) from None
    return botocore.session.get_session().get_service_model("ecs")


def make_client(
    session: Any, service: str, *, region: str | None = None, endpoint_url: str | None = None, **settings: Any
) -> Any:
    """
    Return a boto3 client. Its requests and responses are not logged on the executor's threads.

    :param session: a boto3 session.
    :param endpoint_url: ``[fargate] endpoint_url``, the endpoint of ECS. Other services have their own.
    :param settings: of botocore's ``Config``, such as ``max_pool_connections``, the number of calls that are
        made at the same time. They take precedence over the timeouts above and :data:`SENT_ONCE`.
    """
    from botocore.config import Config

    for name in LOGGERS_OF_BODIES:
        logging.getLogger(name).addFilter(_without_bodies)  # A logger adds the same filter only once.
    usual = {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": READ_TIMEOUT, "retries": SENT_ONCE}
    config = Config(tcp_keepalive=True, **{**usual, **settings})
    endpoint_of_service = endpoint_url if service == "ecs" else None
    return session.client(service, region_name=region, endpoint_url=endpoint_of_service, config=config)


def connect(
    make_session: Callable[[], Any], region: str | None, endpoint_url: str | None, connections: int
) -> Ecs:
    """
    Return the fleet's calls to ECS, with a client.

    Only a session that assumes a role calls AWS for that. If that call fails, the client is made by the
    first call to ECS for which it succeeds.

    :param make_session: returns a boto3 session with the configured credentials.
    :param region: ``[fargate] region``, for the message if no Region is known.
    :param endpoint_url: ``[fargate] endpoint_url``.
    :param connections: how many calls are made at the same time.
    :raises ConfigError: if no client can be made, such as with a profile that does not exist.
    """
    from botocore import exceptions as botocores

    make = partial(make_client, service="ecs", endpoint_url=endpoint_url, max_pool_connections=connections)
    ecs = Ecs(lambda: read_less(make(make_session())))
    try:
        ecs.connected()
    except botocores.NoRegionError as error:  # Such as with a connection that names no Region.
        remedy = "Set it, or AWS_DEFAULT_REGION, or the connection's."
        raise ConfigError([f"[fargate] region = {region!r}: {error} {remedy}"]) from error
    except (botocores.ClientError, botocores.ConnectionError, botocores.HTTPClientError) as error:
        log.warning("No client for ECS yet; calls wait: %s", classify_error(error).reason)
    except botocores.BotoCoreError as error:
        mistake = f"The AWS client cannot be made: {error} Check the AWS profile and environment."
        raise ConfigError([mistake]) from error
    return ecs

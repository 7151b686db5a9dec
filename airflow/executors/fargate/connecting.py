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
"""Makes the client for ECS, once the scheduler starts: nothing of boto3 is imported before that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate import fragments
from airflow.executors.fargate.calls import connections
from airflow.executors.fargate.check import RequestCheck
from airflow.executors.fargate.ecs import Ecs, client_config
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.reading import read_less

if TYPE_CHECKING:
    from botocore.model import ServiceModel

    from airflow.executors.fargate.config import FargateConfig


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


def launch_types() -> Sequence[str]:
    """
    Return the launch types that the installed botocore lists for RunTask.

    :raises ConfigError: where boto3 is not installed.
    """
    return RequestCheck(service_model()).launch_types


def check_requests(config: FargateConfig, all_is_read: bool) -> list[fragments.Mistake]:
    """Return what AWS would refuse of the requests that the options make; see :func:`fragments.mistakes`."""
    return fragments.mistakes(config, RequestCheck(service_model()), all_is_read)


def connect(config: FargateConfig, make_session: Callable[[], Any]) -> Ecs:
    """
    Make the client for ECS, which calls nothing yet.

    :param make_session: returns a boto3 session with the configured credentials.
    :raises ConfigError: where no client can be made, such as with a profile that is not there.
    """
    from botocore.exceptions import BotoCoreError, NoRegionError

    botocore_config = client_config(connections(config))

    def make_client() -> Any:
        client = make_session().client("ecs", endpoint_url=config.endpoint_url, config=botocore_config)
        read_less(client)
        return client

    try:
        return Ecs(make_client)
    except NoRegionError as error:  # With a connection that names none.
        name = f"[fargate] region = {config.region!r}"
        raise ConfigError([f"{name}: {error} Set it, or AWS_DEFAULT_REGION, or the connection's."]) from error
    except BotoCoreError as error:
        raise ConfigError(
            [f"The AWS client cannot be made: {error} Check the AWS profile and environment."]
        ) from error

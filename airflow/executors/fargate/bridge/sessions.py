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
"""Makes boto3 sessions, from boto3's own chain of credentials or from an Airflow connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from airflow.exceptions import AirflowNotFoundException
from airflow.executors.fargate.config.template import SECTION
from airflow.executors.fargate.errors import ConfigError
from airflow.models.connection import Connection


def session_maker(conn_id: str | None, region: str | None, team_name: str | None = None) -> Callable[[], Any]:
    """
    Return a function that makes a boto3 session, or an object that makes clients as a connection says.

    :param conn_id: the connection's name; None or empty for boto3's own chain of credentials.
    :param team_name: the team whose connection may be used, 3.2 and newer; None without teams.
    :raises ConfigError: where the provider's package or the connection is missing.
    """
    if not conn_id:
        import boto3

        return partial(boto3.session.Session, region_name=region)
    option = f"[{SECTION}] conn_id = {conn_id!r}"
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    except ImportError:
        missing = "apache-airflow-providers-amazon is not installed. Install it, or leave conn_id empty."
        raise ConfigError([f"{option}: {missing}"]) from None
    # Releases before 3.2 do not accept a team_name.
    of_team = {} if team_name is None else {"team_name": team_name}
    find: Callable[[str], Any] = partial(Connection.get_connection_from_secrets, **of_team)
    try:
        # Checked here: the hook would only warn and use boto3's own credentials.
        find(conn_id)
    except AirflowNotFoundException:
        mistake = f"{option}: there is no such connection. Make it, or leave conn_id empty."
        raise ConfigError([mistake]) from None

    def make_session() -> _ConnectionSession:
        hook: Any = AwsGenericHook(aws_conn_id=conn_id, region_name=region)
        if of_team:
            hook.get_connection = find  # The hook's own method does not know teams.
        return _ConnectionSession(hook, region)

    return make_session


class _ConnectionSession:
    """A session with a connection's credentials, or its assumed role's, and with its settings of clients."""

    def __init__(self, hook: Any, region: str | None) -> None:
        self._hook = hook
        self._session = hook.get_session(region_name=region)

    def client(self, service: str, endpoint_url: Any = None, config: Any = None, **others: Any) -> Any:
        """Return a client; the arguments take precedence over the connection."""
        hook = self._hook
        endpoint = endpoint_url or hook.conn_config.get_service_endpoint_url(service)
        own = hook.config.merge(config) if config else hook.config
        return self._session.client(service, endpoint_url=endpoint, config=own, verify=hook.verify, **others)

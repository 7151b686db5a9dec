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
"""Makes the clients that read logs, where one is read first: nothing of boto3 is imported before that."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.calls import LOG_CONCURRENCY
from airflow.executors.fargate.ecs import client_config, hide_bodies
from airflow.executors.fargate.logs import LogReader
from airflow.executors.fargate.running_log import CONNECT_TIMEOUT, READ_TIMEOUT, RunningLog

if TYPE_CHECKING:
    from airflow.executors.fargate.ecs import Ecs

#: Of how many Regions clients are kept.
MAX_REGIONS = 8
#: How many connections a client keeps for those who look at logs at the same time; more than that work, too.
CONNECTIONS = 10


def log_reader(ecs: Ecs, make_session: Callable[[], Any]) -> LogReader:
    """Return what reads the logs of containers that failed; its clients are made where they are needed."""

    def make_client(region: str) -> Any:
        return make_session().client("logs", region_name=region, config=client_config(LOG_CONCURRENCY))

    return LogReader(ecs.describe_task_definition, make_client)


def running_log(
    option: Callable[[str], str | None],
    session_maker: Callable[[str | None, str | None], Callable[[], Any]],
    mask: Callable[[str], str],
    structured: bool,
) -> RunningLog:
    """
    Return what reads the logs of containers that run, for an API server that has none of the scheduler's clients.

    :param option: returns the text of an option.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session.
    :param mask: takes secrets out of a text.
    :param structured: whether Airflow reads lines as JSON, with a time of their own.
    """
    clients = _Clients(option, session_maker)
    return RunningLog(
        clients.reader, clients.describe_tasks, renew=clients.renew, mask=mask, structured=structured
    )


class _Clients:
    """
    The clients of an API server, made for each Region where it is asked for first; any thread may use them.

    Of the options only ``conn_id`` and ``endpoint_url`` matter, all else stands in a container's ARN: so a log can be
    read where no other option is set.

    :param option: returns the text of an option.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session.
    """

    def __init__(
        self,
        option: Callable[[str], str | None],
        session_maker: Callable[[str | None, str | None], Callable[[], Any]],
    ) -> None:
        # DescribeTasks tells of a container's command, and its token.
        hide_bodies()
        self._option = option
        self._session_maker = session_maker
        self._ecs = lru_cache(maxsize=MAX_REGIONS)(partial(self._make, "ecs"))
        self.reader = LogReader(self._describe_definition, partial(self._make, "logs"))

    def describe_tasks(self, region: str, cluster: str, arn: str) -> Any:
        """Call DescribeTasks for a container."""
        return self._ecs(region).describe_tasks(cluster=cluster, tasks=[arn])

    def renew(self) -> None:
        """Let the next calls make new clients, with the credentials that there are then."""
        self._ecs.cache_clear()
        self.reader.renew()

    def _describe_definition(self, arn: str) -> Any:
        return self._ecs(arn.split(":")[3]).describe_task_definition(taskDefinition=arn)

    def _make(self, service: str, region: str) -> Any:
        # The option's endpoint is of ECS alone.
        endpoint = self._text_of("endpoint_url") if service == "ecs" else None
        config = client_config(CONNECTIONS, (CONNECT_TIMEOUT, READ_TIMEOUT))
        session = self._session_maker(self._text_of("conn_id"), region)()
        return session.client(service, region_name=region, endpoint_url=endpoint, config=config)

    def _text_of(self, name: str) -> str | None:
        return (self._option(name) or "").strip() or None

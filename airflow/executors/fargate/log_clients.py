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

from airflow.executors.fargate.ecs import client_config, hide_bodies
from airflow.executors.fargate.last_lines import CONCURRENCY
from airflow.executors.fargate.logs import LogReader
from airflow.executors.fargate.running_log import CONNECT_TIMEOUT, READ_TIMEOUT, RunningLog

if TYPE_CHECKING:
    from airflow.executors.fargate.ecs import Ecs

#: Of how many Regions clients are kept.
MAX_REGIONS = 8


def log_reader(ecs: Ecs, make_session: Callable[[], Any]) -> LogReader:
    """Return what reads the logs of containers that failed; its clients are made where they are needed."""

    def make_client(region: str) -> Any:
        return make_session().client("logs", region_name=region, config=client_config(CONCURRENCY))

    return LogReader(ecs.describe_task_definition, make_client)


def running_log(
    option: Callable[[str], str | None],
    session_maker: Callable[[str | None, str | None], Callable[[], Any]],
    mask: Callable[[str], str],
    structured: bool,
) -> RunningLog:
    """
    Return what reads the logs of containers that run, for an API server that has none of the scheduler's clients.

    Of the options only ``conn_id`` and ``endpoint_url`` matter, all else stands in a container's ARN: so a log can be
    read where no other option is set.

    :param option: returns the text of an option.
    :param session_maker: takes a connection's name and a Region, and returns a function that makes a session.
    """
    hide_bodies()  # DescribeTasks tells of a container's command, and its token.

    def make_client(service: str, region: str) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT, retries={"total_max_attempts": 1}
        )
        endpoint = (option("endpoint_url") or "").strip() or None
        session = session_maker((option("conn_id") or "").strip() or None, region)()
        # That endpoint is of ECS alone.
        return session.client(
            service, region_name=region, endpoint_url=endpoint if service == "ecs" else None, config=config
        )

    ecs = lru_cache(maxsize=MAX_REGIONS)(lambda region: make_client("ecs", region))

    def describe_definition(arn: str) -> Any:
        return ecs(arn.split(":")[3]).describe_task_definition(taskDefinition=arn)

    def describe_tasks(region: str, cluster: str, arn: str) -> Any:
        return ecs(region).describe_tasks(cluster=cluster, tasks=[arn])

    reader = LogReader(describe_definition, partial(make_client, "logs"))

    def renew() -> None:
        ecs.cache_clear()
        reader.renew()

    return RunningLog(reader, describe_tasks, renew=renew, mask=mask, structured=structured)

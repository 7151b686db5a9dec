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
"""The executors that are compared: how Airflow and the containers are configured for each, and nothing more than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tools.benchmarking.executors import CLASSES, incumbents
from tools.benchmarking.scenarios import INCUMBENT, OURS
from tools.comparing.rows import WITH_CLOUDWATCH

if TYPE_CHECKING:
    from tools.harness.fargate_process import LocalFargate

#: A scheduler's death is noticed within seconds rather than minutes, under either executor.
QUICK_TO_ADOPT = {
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "6",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
}
#: On Fargate a container has a disk of its own, which Airflow's API server cannot read. The local containers share one
#: with it, so they leave their files elsewhere.
OWN_DISK = {"AIRFLOW__LOGGING__BASE_LOG_FOLDER": "$TMPDIR/disk-of-containers"}
#: The log group of remote logging.
TASK_LOGS = "airflow-task-logs"
#: FargateExecutor's page has the API server show logs by this option; Airflow's default is none.
NO_LOGGING_CONFIG = {"AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": ""}


def container_env(setup: str) -> dict[str, str]:
    """Return what each container has in its environment, beside what it shares with Airflow."""
    return OWN_DISK | {"AIRFLOW__CORE__EXECUTOR": CLASSES[_executor(setup)]} | _logging(setup)


def airflow_env(setup: str, fargate: LocalFargate) -> dict[str, str]:
    """Return the settings of Airflow's components; where the containers need more, too, that is registered."""
    told = fargate.told
    found = QUICK_TO_ADOPT | _logging(setup) | {"AIRFLOW__CORE__EXECUTOR": CLASSES[_executor(setup)]}
    if setup == OURS:
        return found
    if setup == WITH_CLOUDWATCH:
        remote = _to_cloudwatch(fargate)
        told = told | {"task_definition": fargate.register("logs-to-cloudwatch", **remote)}
        found |= remote
    # Without check_health_on_startup its first launches would come some seconds later.
    return found | incumbents(told) | _endpoint(told)


def _executor(setup: str) -> str:
    return OURS if setup == OURS else INCUMBENT


def _logging(setup: str) -> dict[str, str]:
    return {} if setup == OURS else NO_LOGGING_CONFIG


def _endpoint(told: Mapping[str, Any]) -> dict[str, str]:
    return {"AWS_DEFAULT_REGION": told["region"], "AWS_ENDPOINT_URL": told["endpoint_url"]}


def _to_cloudwatch(fargate: LocalFargate) -> dict[str, str]:
    """Return remote logging to a log group, as the amazon provider's page on CloudWatch has it."""
    told = fargate.told
    logs = fargate.client("logs")
    logs.create_log_group(logGroupName=TASK_LOGS)
    (group,) = logs.describe_log_groups(logGroupNamePrefix=TASK_LOGS)["logGroups"]
    arn = group["arn"].removesuffix(":*")
    return _endpoint(told) | {
        "AIRFLOW__LOGGING__REMOTE_LOGGING": "True",
        "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER": f"cloudwatch://{arn}",
        "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID": "aws_default",
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }

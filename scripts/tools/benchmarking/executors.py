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
"""The two executors: how each is configured for the local Fargate, and made."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tools.benchmarking.scenarios import INCUMBENT, OURS, Limit
from tools.harness.settings import fargate_settings

if TYPE_CHECKING:
    from airflow.executors.base_executor import BaseExecutor

CLASSES = {
    OURS: "airflow.executors.fargate_executor.FargateExecutor",
    INCUMBENT: "airflow.providers.amazon.aws.executors.ecs.AwsEcsExecutor",
}


def configure(name: str, told: Mapping[str, Any], run_limit: Limit) -> None:
    """
    Put an executor's configuration into the environment.

    :param told: what the local Fargate says of itself
    :param run_limit: the service's limit on RunTask; ours is told what it is, as an operator would tell it
    """
    settings = fargate_settings(told) | {
        "AIRFLOW__CORE__EXECUTOR": CLASSES[name],
        "AWS_DEFAULT_REGION": told["region"],
        "AWS_ENDPOINT_URL": told["endpoint_url"],
    }
    if name == OURS:
        settings |= _section("fargate", launch_rate=run_limit.rate, launch_burst=run_limit.burst)
    else:
        settings |= incumbents(told)
    os.environ.update(settings)


def make(name: str, parallelism: int) -> BaseExecutor:
    """Make an executor and start it, as the scheduler does."""
    # Not before the configuration is there.
    from sqlalchemy.orm import configure_mappers

    from airflow.models import import_all_models

    # A scheduler has long used its models when the first event is noted: to set them up takes tenths of a second.
    import_all_models()
    configure_mappers()
    module, _, class_name = CLASSES[name].rpartition(".")
    executor = getattr(importlib.import_module(module), class_name)(parallelism=parallelism)
    executor.start()
    return executor


def incumbents(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of AwsEcsExecutor for the local Fargate that says this of itself."""
    # Its health check would else be part of its first heartbeats, some seconds after the start.
    return {"AIRFLOW_CONN_AWS_DEFAULT": "aws://"} | _section(
        "aws_ecs_executor",
        check_health_on_startup=True,
        cluster=told["cluster"],
        container_name=told["container_name"],
        launch_type="FARGATE",
        region_name=told["region"],
        security_groups=",".join(told["security_groups"]),
        subnets=",".join(told["subnets"]),
        task_definition=told["task_definition"],
    )


def _section(section: str, **options: object) -> dict[str, str]:
    return {f"AIRFLOW__{section}__{name}".upper(): str(value) for name, value in options.items()}

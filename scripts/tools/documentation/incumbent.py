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
"""The options of AwsEcsExecutor, so that a test can tell whether each of them is told of."""

from __future__ import annotations

#: Where the list is from: ``get_provider_info()["config"]["aws_ecs_executor"]["options"]`` of this package and version.
PACKAGE = "apache-airflow-providers-amazon"
VERSION = "9.39.0"
OPTIONS = (
    "conn_id",
    "region_name",
    "assign_public_ip",
    "cluster",
    "capacity_provider_strategy",
    "container_name",
    "launch_type",
    "platform_version",
    "security_groups",
    "subnets",
    "task_definition",
    "max_run_task_attempts",
    "run_task_kwargs",
    "check_health_on_startup",
)

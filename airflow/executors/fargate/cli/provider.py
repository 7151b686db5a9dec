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
"""
What the wheel's entry point ``apache_airflow_provider`` tells Airflow: where its commands are.

Airflow reads it while it reads its configuration, so that nothing of Airflow can be imported here.
"""

from __future__ import annotations

from typing import Any


def provider_info() -> dict[str, Any]:
    """Return the commands, which 3.2 and newer know; older releases pass over them."""
    return {
        "package-name": "airflow-fargate-executor",
        "name": "FargateExecutor",
        "description": "Runs each task instance in a container of its own on AWS Fargate.",
        "cli": ["airflow.executors.fargate.cli.definition.commands_of_wheel"],
    }

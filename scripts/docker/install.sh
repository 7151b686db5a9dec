#!/usr/bin/env bash
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

# What the image is built with: lays the executor over the Airflow of the Python that is first on PATH, which stays at
# AIRFLOW_VERSION, with boto3 beside it. What only the overlay needs does not stay.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$(mktemp -d)
trap 'rm -r "$tools"' EXIT

# Named with its version, as Airflow advises, so that pip changes nothing about it.
python -m pip install --no-cache-dir "apache-airflow==${AIRFLOW_VERSION:?}" boto3
# Airflow's image installs for the user by default, which pip refuses together with a folder.
PIP_USER=false python -m pip install --no-cache-dir --target "$tools" -r "$repository/requirements/overlay.in"
PYTHONPATH=$tools PYTHONDONTWRITEBYTECODE=1 python "$repository/scripts/overlay.py" apply

# The database comes later; what there is without one is SQLite, which Airflow 2 refuses for most executors.
export _AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK=1
AIRFLOW__CORE__EXECUTOR=FargateExecutor python - <<'CHECK'
from airflow.executors.executor_loader import ExecutorLoader

print(ExecutorLoader.import_default_executor_cls()[0])
CHECK

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
"""The checks of ``airflow fargate check``, in the order of its rows, and the questions that they raise."""

from __future__ import annotations

from functools import partial

from airflow.executors.fargate.cli.check import checks
from airflow.executors.fargate.cli.check.account_checks import (
    check_accounts,
    check_endpoints,
    check_roles,
    role_questions,
)
from airflow.executors.fargate.cli.check.address_checks import address_questions, check_address
from airflow.executors.fargate.cli.check.airflow_checks import (
    check_executor,
    check_remote_logging,
    log_questions,
)
from airflow.executors.fargate.cli.check.checks import with_place
from airflow.executors.fargate.cli.check.definition_checks import check_log, check_task_definition
from airflow.executors.fargate.cli.check.image_checks import check_images, image_questions
from airflow.executors.fargate.cli.check.network_checks import check_network, network_questions
from airflow.executors.fargate.cli.check.secret_checks import check_secrets, secret_questions

#: The questions to the services beside ECS.
ASKS = (
    role_questions,
    network_questions,
    image_questions,
    secret_questions,
    address_questions,
    log_questions,
)
#: The checks of a request, which are made for each queue, too.
OF_REQUEST = (
    checks.check_cluster,
    checks.check_request,
    check_task_definition,
    with_place(check_log, "logs"),
    check_accounts,
    with_place(check_roles, "iam"),
    with_place(check_images, "ecr"),
    with_place(check_secrets, "secretsmanager", "ssm"),
    with_place(check_network, "ec2"),
    check_address,
    with_place(check_remote_logging, "s3"),
)
OF_QUEUES = partial(checks.check_queues, checks=OF_REQUEST)
ALL_CHECKS = (
    checks.check_caller,
    check_endpoints,
    check_executor,
    *OF_REQUEST,
    OF_QUEUES,
    checks.check_permissions,
)

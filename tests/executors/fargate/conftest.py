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
"""What several tests share: botocore's model of ECS, options read from a dict, and AWS played by moto."""

from __future__ import annotations

import threading

import pytest

from airflow.executors.fargate.config import config as config_module
from airflow.executors.fargate.config.options import Options
from airflow.executors.fargate.config.template import template
from airflow.executors.fargate.request.startup_checks import add_request_mistakes
from airflow.executors.fargate.request.validation import check_request

#: The options that have no default and that the default function needs.
REQUIRED = {
    "cluster": "fleet",
    "task_definition": "airflow-task:3",
    "container_name": "airflow",
    "subnets": "subnet-0123456789abcdef0",
}


@pytest.fixture(scope="session")
def service_model():
    """Return the model of ECS that the installed botocore ships."""
    # Not before: where boto3 is missing, the tests are skipped.
    import botocore.session

    return botocore.session.get_session().get_service_model("ecs")


@pytest.fixture(scope="session")
def check(service_model):
    """Return the check of requests, which uses that model."""
    return check_request


@pytest.fixture(scope="session")
def launch_types(service_model):
    """Return the launch types that the installed botocore lists."""
    return service_model.operation_model("RunTask").input_shape.members["launchType"].enum


@pytest.fixture(scope="session")
def read_config(service_model):
    """Return a function that reads options, the required ones set, from keywords; None unsets one."""

    def read(call_function=False, check_requests=False, **texts):
        defaults = {name: option["default"] for name, option in template().items()}
        options = Options({**defaults, **REQUIRED, **texts}.get)
        config = config_module.read_config(options, call_function)
        if check_requests:
            add_request_mistakes(options, config)
        options.raise_mistakes()
        return config

    return read


@pytest.fixture
def moto_aws(monkeypatch):
    """
    Let moto play AWS, one call at a time.

    The commands ask on several threads, and moto's calls change what the others read meanwhile.
    """
    moto = pytest.importorskip("moto", reason="comes with the amazon provider's tests")
    from moto.core.botocore_stubber import BotocoreStubber

    lock, process_request = threading.RLock(), BotocoreStubber.process_request

    def process_alone(*args):
        with lock:
            return process_request(*args)

    monkeypatch.setattr(BotocoreStubber, "process_request", process_alone)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    with moto.mock_aws():
        yield

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
"""What the tests of the documentation share: options from a snippet, and requests made with them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from airflow.executors.fargate.config import config as config_module
from airflow.executors.fargate.config.options import Options
from airflow.executors.fargate.config.template import template
from airflow.executors.fargate.request.builder import RequestBuilder, default_request
from airflow.executors.fargate.request.startup_checks import add_request_mistakes

from tests.executors.fargate.conftest import service_model

#: The check of requests against botocore's model of ECS is the one that the executor's own tests use.
__all__ = ["service_model"]

#: What a snippet that shows a few options leaves out.
LEFT_OUT = {
    "cluster": "airflow",
    "task_definition": "airflow-task",
    "container_name": "airflow",
    "subnets": "subnet-0123456789abcdef0",
}


@pytest.fixture(scope="session")
def read_config(service_model):
    """Return a function that makes the executor's options of those that a snippet shows."""

    def read(options=()):
        defaults = {name: option["default"] for name, option in template().items()}
        shown = Options({**defaults, **LEFT_OUT, **dict(options)}.get)
        config = config_module.read_config(shown, call_function=False)
        add_request_mistakes(shown, config)
        shown.raise_mistakes()
        return config

    return read


@pytest.fixture(scope="session")
def make_builder(service_model):
    """Return a function that makes what makes the requests of launches, for options."""

    def make(config):
        return RequestBuilder(replace(config, command_to_request=partial(default_request, config)))

    return make

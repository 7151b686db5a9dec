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
"""What a part of a request may not touch."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE
from airflow.executors.fargate.request.merging import Fragment, own_business

#: What the environment of a container can be by mistake; the check tells of these.
ODD: list[Any] = [
    None,
    7,
    "x",
    {},
    [None],
    ["x"],
    [{}],
    [{"name": None}],
    [{"name": []}],
    {"name": IDENTITY_VARIABLE},
]


def with_environment(environment, name="sidecar"):
    return {"overrides": {"containerOverrides": [{"name": name, "environment": environment}]}}


@pytest.mark.parametrize("name", ["airflow", "sidecar", None])
@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("mapping", [dict, collections.UserDict])
def test_the_identity_of_the_launch_is_the_executor_s_own(name, kind, mapping):
    """In no container may it be set: whoever reads it takes the first one for the container of the launch."""
    variables = kind([mapping(name="A", value="1"), mapping(name=IDENTITY_VARIABLE, value="{}")])
    fragment = Fragment("executor_config", with_environment(variables, name), "Correct it")
    with pytest.raises(RequestError, match=f"executor_config sets {IDENTITY_VARIABLE}, .*; leave it out"):
        fragment.merged_into({}, "airflow", {})


@pytest.mark.parametrize("environment", [*ODD, [{"name": "A", "value": IDENTITY_VARIABLE}]], ids=repr)
def test_any_other_environment_is_not_the_executor_s_business(environment):
    """A value may be anything, and what is no list of variables is another mistake."""
    assert own_business(with_environment(environment), "airflow") is None

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
"""The members that a fragment may not set."""

from __future__ import annotations

import collections
import itertools
from typing import Any

import pytest

from airflow.executors.fargate.errors import RequestError
from airflow.executors.fargate.launch import IDENTITY_VARIABLE
from airflow.executors.fargate.request.merging import Fragment, find_reserved

#: Wrong values of the environment of a container, which the check refuses.
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


def test_a_fragment_may_not_set_the_identity_of_the_launch():
    """It may not in any container: the identity of an ECS task is the first one in its overrides."""
    for name, kind, mapping in itertools.product(
        ["airflow", "sidecar", None], [list, tuple], [dict, collections.UserDict]
    ):
        variables = kind([mapping(name="A", value="1"), mapping(name=IDENTITY_VARIABLE, value="{}")])
        fragment = Fragment("executor_config", with_environment(variables, name), "Correct it")
        with pytest.raises(RequestError, match=f"executor_config sets {IDENTITY_VARIABLE}, .*; leave it out"):
            fragment.merged_into({}, "airflow", {})


def test_any_other_environment_is_allowed_here():
    """A value may be anything; what is not a list of variables is refused by the check."""
    for environment in (*ODD, [{"name": "A", "value": IDENTITY_VARIABLE}]):
        assert find_reserved(with_environment(environment), "airflow") is None

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
"""More on what ``test_validation.py`` tests."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow.executors.fargate.config.config import MAX_OVERRIDES
from airflow.executors.fargate.errors import RequestError

from tests.executors.fargate.test_validation import (
    PASSWORD,
    VALID,
    container,
    known,
    nested,
    network,
    overrides,
    overrides_of_size,
    paths,
    refused,
    request_with,
    strategy,
    tags,
)

#: Correct values, at the limits.
TAKEN = {
    "as it is": {},
    "longest group": {"group": "g" * 512},
    "50 tags": tags(*((f"k{n}", "v") for n in range(50))),
    "longest tag": tags(("k" * 128, "v" * 256)),
    "tag without a value": {"tags": [{"key": "key"}]},
    "tag of any script": tags(("Tëam 数据 :/=+-@_.", "v")),
    "20 providers": strategy(*({"capacityProvider": f"p{n}", "weight": n} for n in range(20))),
    "heaviest provider": strategy(
        {"capacityProvider": "FARGATE", "weight": 0, "base": 0}, weight=1000, base=100_000
    ),
    "no provider": {"capacityProviderStrategy": []},
    "16 subnets": network(
        subnets=[f"subnet-{n}" for n in range(16)], securityGroups=[f"sg-{n}" for n in range(5)]
    ),
    "least storage": overrides(ephemeralStorage={"sizeInGiB": 21}),
    "most storage": overrides(ephemeralStorage={"sizeInGiB": 200}),
    "largest overrides": overrides_of_size(8192),
    "longest name": container(name="c" * 255),
    "10 constraints": {"launchType": "EC2", "placementConstraints": [{"type": "distinctInstance"}] * 10},
    "5 strategies": {"launchType": None, "placementStrategy": [{"type": "random"}] * 5},
    "no network on instances": {"launchType": "EC2", "networkConfiguration": None},
    "no network where the cluster decides": {"launchType": None, "networkConfiguration": None},
    "no network on somebody's own provider": strategy({"capacityProvider": "mine"})
    | {"networkConfiguration": None},
    "tuples": {"overrides": {"containerOverrides": ({"name": "airflow", "command": ("run",)},)}},
    "tags of the task definition": {"propagateTags": "TASK_DEFINITION"},
}


class TestCheck:
    @pytest.mark.parametrize("change", TAKEN.values(), ids=list(TAKEN))
    def test_accepts_what_aws_accepts(self, change, check, known):
        """A value at a limit is no mistake."""
        known(change)
        check(request_with(change))

    def test_says_where_a_member_belongs_beside_what_is_unknown_or_wrong(self, check):
        """One message has all mistakes."""
        message = refused(check, request_with({"cpu": "1", "cpus": 1, "group": 7}))
        for named in ("cpu belongs in overrides", 'Unknown parameter in input: "cpus"', "parameter group"):
            assert named in message

    @pytest.mark.parametrize(
        ("change", "refused_ones", "allowed"),
        [
            ({"cpus": 1}, ("clientToken", "startedBy", "count"), ("cluster", "overrides", "tags")),
            (overrides(cpus="1"), (), ("cpu", "containerOverrides")),
            ({"propagateTags": "ALL"}, ("SERVICE",), ("TASK_DEFINITION", "NONE")),
        ],
    )
    def test_lists_only_what_is_allowed(self, change, refused_ones, allowed, check):
        """A name of the list is not refused at the next attempt."""
        _, _, listed = refused(check, request_with(change)).rpartition(" of")
        names = set(re.findall(r"\w+", listed))
        assert not names & set(refused_ones)
        assert names >= set(allowed)

    def test_reports_twenty_mistakes_at_most(self, check):
        """However many items of a list are wrong, the message is short."""
        message = refused(check, request_with({"tags": [1] * 1000}))
        assert "tags[19]" in message
        assert "tags[20]" not in message
        assert message.endswith("and 980 more")

    def test_shortens_a_long_key(self, check):
        """A message goes into the log and the database: it has the beginning and the end."""
        message = refused(check, request_with({"x" * 200_000: 1}))
        assert len(message) < 1000
        assert 'Unknown parameter in input: "xxx' in message
        assert "taskDefinition" in message

    def test_refuses_what_cannot_be_shown(self, check):
        """A user's object that raises when it is shown is refused like any other."""

        class Shy:
            def __str__(self):
                raise RuntimeError(PASSWORD)

        message = refused(check, request_with({"cluster": Shy()}))
        assert "RuntimeError" in message
        assert PASSWORD not in message

    def test_limit_of_overrides_is_that_of_aws(self):
        """AWS counts the JSON: 8192 characters."""
        assert MAX_OVERRIDES == 8192


ANYTHING: list[Any] = [
    None,
    True,
    float("nan"),
    [],
    {},
    [None],
    "\ud800",
    -(10**400),
    10**5000,
]


class TestSecrets:
    @pytest.mark.parametrize("odd", ANYTHING, ids=range(len(ANYTHING)))
    def test_any_value_anywhere_is_accepted_or_refused(self, odd, check, service_model):
        """Whatever a member is, the request is accepted or RequestError is raised."""
        for place in paths(service_model.operation_model("RunTask").input_shape):
            message = None
            try:
                check({**VALID, **nested(place, odd)})
            except RequestError as error:
                message = str(error)
            except Exception as error:
                raise AssertionError(f"{place} = {odd!r}") from error
            assert message is None or len(message) > 40

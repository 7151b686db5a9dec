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
"""The commands and the page about cost have the same prices."""

from __future__ import annotations

import pytest
from tools.aws import prices
from tools.aws.templates import ALL
from tools.documentation.options import REPOSITORY
from tools.documentation.tables import tables

PAGE = (REPOSITORY / "docs" / "executor" / "fargate-cost.rst").read_text(encoding="utf-8")
PRICE = {what: float(dollars) for what, dollars, _ in tables(PAGE)[0]}


@pytest.mark.parametrize(
    ("price", "what"),
    [
        (prices.NAT_GATEWAY, "hour of a NAT gateway"),
        (prices.ADDRESS, "hour of a public IPv4 address"),
        (prices.LOG_LINES, "GB of log lines, CloudWatch Logs"),
        (prices.FARGATE["x86_64"][0], "vCPU-hour, x86"),
        (prices.FARGATE["x86_64"][1], "GB-hour of memory, x86"),
        (prices.FARGATE["arm64"][0], "vCPU-hour, ARM64"),
        (prices.FARGATE["arm64"][1], "GB-hour of memory, ARM64"),
    ],
)
def test_the_page_has_the_same_price(price, what):
    assert price == PRICE[what]


def test_an_unknown_resource_is_not_called_free():
    assert prices.cost({"Type": "AWS::RDS::DBInstance"}).hour is None


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.kind)
def test_the_cost_of_each_resource_is_known(template):
    """With all that the parameters can add."""
    values = {"Kind": "private", "EcsEndpoint": "yes", "SecretsEndpoint": "yes"}
    resources = template.resources(values).values()
    assert [resource["Type"] for resource in resources if prices.cost(resource).hour is None] == []

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

import re

import pytest
from tools.aws import prices
from tools.aws.templates import AIRFLOW, ALL
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


#: Rows of the table at the top of airflow.yaml: what each costs a month, and how that comes about.
ROWS = re.findall(r"^#   (\S.*?)  +(\d+\.\d\d)(?:  +(.*))?$", AIRFLOW.body, re.MULTILINE)


def test_an_unknown_resource_is_not_called_free():
    unknown = {
        "Any": {"Type": "AWS::Any::Thing"},
        "Database": {
            "Type": "AWS::RDS::DBInstance",
            "Properties": {"DBInstanceClass": "db.r8g.large", "AllocatedStorage": 20, "MultiAZ": False},
        },
    }
    assert [cost.hour for cost in prices.costs(unknown).values()] == [None, None]


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.kind)
def test_the_cost_of_each_resource_is_known(template):
    """With all that the parameters can add."""
    values = {"Kind": "private", "EcsEndpoint": "yes", "SecretsEndpoint": "yes", "SessionEndpoint": "yes"}
    costs = prices.costs(template.resources({**values, "Dags": "bucket"}))
    assert [name for name, cost in costs.items() if cost.hour is None] == []


def test_a_month_of_a_whole_airflow_is_that_of_its_template():
    """Each row is what its resources cost, and each price stands in it as it does in the commands."""
    costs = prices.costs(AIRFLOW.resources({}))
    month = {name: (cost.hour or 0) * prices.HOURS for name, cost in costs.items()}
    together = {name: float(dollars) for name, dollars, _ in ROWS}["Together"]
    assert sum(month.values()) == pytest.approx(together, abs=0.02)
    said = {name.partition(",")[0]: how for name, _, how in ROWS}
    assert said["Database"].startswith(f"{prices.DATABASE['db.t4g.micro']} an hour")
    assert said["Its storage"].startswith(f"{prices.DATABASE_STORAGE} a GB")
    assert said["Load balancer"].startswith(
        f"{prices.LOAD_BALANCER} an hour; {prices.LOAD_BALANCER_UNIT} an LCU-hour"
    )
    assert said["Six secrets"].startswith(f"{prices.SECRET:.2f} each")
    assert f"{prices.ZONE:.2f}" in {dollars for name, dollars, _ in ROWS if name == "The private DNS zone"}
    assert f"{4 * prices.ADDRESS * prices.HOURS:.2f} for four public addresses" in said["Together"]


@pytest.mark.parametrize(
    ("values", "more"),
    [
        # Four components, each with an address.
        ({"AssignPublicIp": "ENABLED"}, 4 * 0.005),
        ({"Access": "internet-facing", "LoadBalancerSubnets": "a,b,c"}, 3 * 0.005),
        # A second API server, a second scheduler and a standby.
        ({"HighlyAvailable": "true"}, (21.26 + 18.02 + 11.68 + 2.30) / 730),
        ({"Paused": "yes"}, -(2 * 18.02 + 10.63) / 730),
        ({"Architecture": "ARM64"}, -1.75 * (0.04048 - 0.03238) - 5 * (0.004445 - 0.00356)),
        ({"DatabaseClass": "db.t4g.small"}, 0.016),
    ],
)
def test_what_a_parameter_adds_to_the_cost(values, more):
    added = prices.hourly(AIRFLOW.resources(values)) - prices.hourly(AIRFLOW.resources({}))
    assert added == pytest.approx(more, abs=0.0001)

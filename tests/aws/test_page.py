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
"""What the page about the commands says of costs and trials is what the templates, the prices and the commands make."""

from __future__ import annotations

import re

import pytest
from tools.aws import options, prices
from tools.aws.templates import AIRFLOW, NETWORK, TASKS
from tools.aws.verifying import cost
from tools.aws.verifying.target import SETTINGS
from tools.documentation.options import REPOSITORY
from tools.documentation.tables import tables

PAGE = (REPOSITORY / "docs" / "executor" / "fargate-aws.rst").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
COSTS = next(rows for rows in tables(PAGE) if rows[0][0].startswith("whole Airflow"))
SUBNETS = "subnet-0123456789abcdef0,subnet-0fedcba9876543210"
#: What a whole Airflow calls from private subnets besides what ECS tasks do.
ENDPOINTS = {"EcsEndpoint": "yes", "SecretsEndpoint": "yes", "SessionEndpoint": "yes"}


def hour_of(deployment):
    """Return what a deployment costs by the hour, which the first cell of a row describes."""
    kind = re.search("--network (public|private)", deployment)[1]
    is_whole = deployment.startswith("whole Airflow")
    hour = prices.hourly(TASKS.resources({}))
    hour += prices.hourly(NETWORK.resources({"Kind": kind, **(ENDPOINTS if is_whole else {})}))
    if is_whole:
        values = {
            "AssignPublicIp": "ENABLED" if kind == "public" else "DISABLED",
            "HighlyAvailable": "true" if "highly available" in deployment else "false",
            "SubnetIds": SUBNETS,
            "LoadBalancerSubnets": SUBNETS,
        }
        hour += prices.hourly(AIRFLOW.resources(values))
    return hour


@pytest.mark.parametrize(("deployment", "hour", "month"), COSTS)
def test_the_cost_of_a_deployment_follows_from_the_prices(deployment, hour, month):
    """By the hour and by the month, with the sizes that the templates have by themselves."""
    found = hour_of(deployment)
    assert (hour, month) == (f"{found:.3f}", f"{found * prices.HOURS:.2f}")


def test_the_cost_of_a_task_follows_from_the_prices():
    """With the size of tasks.yaml and a public address."""
    size = [int(TASKS.parameters[name]["Default"]) for name in ("TaskCpu", "TaskMemory")]
    hour = prices.fargate_hour(*size, "x86_64") + prices.ADDRESS
    vcpus, gb = size[0] / 1024, size[1] // 1024
    assert f"{hour:.3f} an hour with the size of ``tasks.yaml`` ({vcpus} vCPU, {gb} GB)" in WORDS


def test_the_cost_of_a_way_out_follows_from_the_prices():
    """An endpoint in two Availability Zones, and a NAT gateway."""
    assert f"each interface endpoint costs {2 * prices.ENDPOINT:.2f} an hour" in WORDS
    assert f"for {prices.NAT_GATEWAY} an hour" in WORDS


def test_the_first_image_has_the_release_that_the_page_names():
    """Where no option names another one."""
    assert f"The first image has Airflow {options.AIRFLOW};" in WORDS


def test_each_trial_and_setting_of_verify_is_on_the_page():
    [trials] = [rows for rows in tables(PAGE) if rows[0][0] == "``dag``"]
    assert [name.strip("`") for name, _ in trials] == list(cost.TITLES)
    assert [name for name in SETTINGS if not re.search(rf"\b{name}\b", PAGE)] == []


def test_the_help_has_the_cost_of_private_subnets(capsys):
    """With what ECS tasks call alone, and with a whole Airflow."""
    with pytest.raises(SystemExit):
        options.parse("deploy", ["--help"], None)
    hours = [prices.hourly(NETWORK.resources({"Kind": "private", **more})) for more in ({}, ENDPOINTS)]
    words = "endpoints for {:.2f} US$ an hour, {:.2f} with a whole Airflow".format(*hours)
    assert words in " ".join(capsys.readouterr().out.split())

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
"""A VPC with one way out."""

from __future__ import annotations

import ipaddress

import pytest

from tests.aws.plans import ALL, PRIVATE, stack


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "192.168.32.0/19"])
def test_the_subnets_are_apart_and_in_two_zones(cidr):
    """Each has 4096 addresses of the VPC's."""
    made = stack("network", VpcCidr=cidr).resources()
    both = [made[name]["Properties"] for name in ("SubnetA", "SubnetB")]
    first, second = (ipaddress.ip_network(one["CidrBlock"]) for one in both)
    assert first.num_addresses == second.num_addresses == 4096
    assert not first.overlaps(second)
    assert first.subnet_of(ipaddress.ip_network(cidr))
    assert second.subnet_of(ipaddress.ip_network(cidr))
    assert len({one["AvailabilityZone"] for one in both}) == 2


@pytest.mark.parametrize(
    ("parameters", "assign_public_ip", "endpoints"),
    [
        ({}, "ENABLED", ""),
        ({"EcsEndpoint": "yes", "SecretsEndpoint": "yes"}, "ENABLED", ""),
        ({"Kind": "private"}, "DISABLED", "ecr.api ecr.dkr logs s3"),
        (PRIVATE, "DISABLED", "ecr.api ecr.dkr ecs logs s3 secretsmanager ssmmessages"),
    ],
)
def test_a_kind_has_one_way_out(parameters, assign_public_ip, endpoints):
    """An internet gateway, or endpoints; the output says what the executor must ask for."""
    made = stack("network", **parameters)
    resources = made.resources()
    of_type = {resource["Type"] for resource in resources.values()}
    services = [one["Properties"].get("ServiceName", "") for one in resources.values()]
    prefix = "com.amazonaws.eu-west-1."
    assert ("AWS::EC2::InternetGateway" in of_type) == ("AWS::EC2::Route" in of_type) == (not endpoints)
    assert sorted(name.removeprefix(prefix) for name in services if name) == endpoints.split()
    assert made.outputs() == {
        "VpcId": made.attribute("Vpc", "Ref"),
        "SubnetIds": ",".join(made.attribute(name, "Ref") for name in ("SubnetA", "SubnetB")),
        "AssignPublicIp": assign_public_ip,
        "VpcCidr": "10.0.0.0/16",
    }


def test_endpoints_are_reached_by_https_from_the_vpc_alone():
    made = stack("network", **PRIVATE)
    resources = made.resources()
    (rule,) = resources["EndpointSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (443, 443, "10.0.0.0/16")
    subnets = [made.attribute(name, "Ref") for name in ("SubnetA", "SubnetB")]
    for name, resource in resources.items():
        if resource["Properties"].get("VpcEndpointType") == "Interface":
            group = made.attribute("EndpointSecurityGroup", "Ref")
            assert resource["Properties"]["SecurityGroupIds"] == [group], name
            assert resource["Properties"]["SubnetIds"] == subnets, name
            assert resource["Properties"]["PrivateDnsEnabled"] is True, name


def test_what_the_network_costs_is_said():
    """Each interface endpoint, and nothing else, has the price of two Availability Zones; the parameters add them up."""
    hourly = 2 * 0.01  # https://aws.amazon.com/privatelink/pricing/
    made = stack("network", **PRIVATE).resources()
    for name, resource in made.items():
        billed = resource["Properties"].get("VpcEndpointType") == "Interface"
        assert resource.get("Metadata", {}) == ({"HourlyCost": hourly} if billed else {}), name
    parameters = ALL["network"]["Parameters"]
    assert f"three cost {3 * hourly} US$ an hour" in parameters["Kind"]["Description"]
    for name in ("EcsEndpoint", "SecretsEndpoint", "SessionEndpoint"):
        assert f"{hourly} US$ an hour" in parameters[name]["Description"]

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
"""The checks of subnets, security groups and routes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow.executors.fargate.cli.asking import Answer
from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, OK, UNKNOWN
from airflow.executors.fargate.cli.check.network_checks import check_network, network_questions

from tests.deeper.cli.check.test_checks import (
    DENIED,
    GOOD,
    GROUP,
    ROUTES,
    SUBNET,
    UNREACHED,
    described,
    network,
)

SUBNETS = described("DescribeSubnets", "subnet-id", "subnet-1")
GROUPS = described("DescribeSecurityGroups", "group-id", "sg-1")
TABLES = described("DescribeRouteTables", "vpc-id", "vpc-1")


def answered(asked, answer, facts=GOOD):
    """Return facts with another answer."""
    return replace(facts, answers={**facts.answers, asked: answer})


def subnet(**members):
    return answered(SUBNETS, Answer({"Subnets": [{**SUBNET, **members}]}))


def group(**members):
    return answered(GROUPS, Answer({"SecurityGroups": [{**GROUP, **members}]}))


def several(*subnets):
    """Return facts with several subnets, which exist."""
    ids = [one["SubnetId"] for one in subnets]
    asked = described("DescribeSubnets", "subnet-id", *ids)
    return answered(asked, Answer({"Subnets": list(subnets)}), network(subnets=ids))


def routed(public, *tables):
    """Return facts with these route tables, and with a public IP or without."""
    facts = network(assignPublicIp="ENABLED" if public else "DISABLED")
    return answered(TABLES, Answer({"RouteTables": list(tables)}), facts)


def table(to, destination="0.0.0.0/0", of=None, **more):
    """Return a route table, the main one unless it is a subnet's."""
    route = {"DestinationCidrBlock": destination, **to, **more}
    return {**ROUTES, "Associations": [{"SubnetId": of} if of else {"Main": True}], "Routes": [route]}


SECOND = {**SUBNET, "SubnetId": "subnet-2", "AvailableIpAddressCount": 3}
OF_IPV6 = {**SECOND, "Ipv6Native": True, "AvailableIpAddressCount": 0}
ABROAD = {**SECOND, "VpcId": "vpc-2"}
OVER_IPV6 = {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"}
IGW, NAT = {"GatewayId": "igw-1"}, {"NatGatewayId": "nat-1"}


@pytest.mark.parametrize(
    ("facts", "check", "result", "found", "remedy"),
    [
        (GOOD, "subnets", OK, "subnet-1 (us-east-1a, 250 free addresses)", ""),
        (subnet(AvailableIpAddressCount=16), "subnets", OK, "16 free", ""),
        (subnet(AvailableIpAddressCount=15), "subnets", ADVICE, "15 free", "larger subnets"),
        (subnet(AvailableIpAddressCount=0), "subnets", FAILED, "0 free", "larger subnets"),
        (several(SUBNET, SECOND), "subnets", ADVICE, "3 free", "larger subnets"),
        (several(SUBNET, OF_IPV6), "subnets", OK, "250 free addresses), subnet-2 (us-east-1a, IPv6)", ""),
        (several(OF_IPV6), "subnets", OK, "subnet-2 (us-east-1a, IPv6)", ""),
        (subnet(AvailableIpAddressCount=None), "subnets", UNKNOWN, "free addresses are not known", "enough"),
        (several(SUBNET, ABROAD), "subnets", FAILED, "vpc-1, vpc-2", "one VPC"),
        (subnet(State="pending"), "subnets", FAILED, "subnet-1 is pending", "available"),
        (answered(SUBNETS, Answer({"Subnets": []})), "subnets", FAILED, "there is no subnet-1", "[fargate] subnets"),
        (answered(SUBNETS, DENIED), "subnets", UNKNOWN, "not authorized", "Allow ec2:DescribeSubnets"),
        (answered(SUBNETS, Answer(error="UnauthorizedOperation")), "subnets", UNKNOWN, "Unauthorized", "Allow ec2:DescribeSubnets"),
        (answered(SUBNETS, UNREACHED), "subnets", UNKNOWN, "Could not connect", "only this check"),
        (GOOD, "security groups", OK, "sg-1", ""),
        (group(VpcId="vpc-2"), "security groups", FAILED, "vpc-2, the subnets in vpc-1", "VPC of the subnets"),
        (group(IpPermissionsEgress=[]), "security groups", FAILED, "no image can be pulled", "outbound"),
        (answered(GROUPS, Answer({"SecurityGroups": []})), "security groups", FAILED, "there is no sg-1", "[fargate] security_groups"),
        (answered(GROUPS, DENIED), "security groups", UNKNOWN, "not authorized", "Allow ec2:DescribeSecurityGroups"),
        (answered(SUBNETS, DENIED), "security groups", OK, "sg-1", ""),
        (GOOD, "public IP", OK, "DISABLED; subnet-1 by nat-1", ""),
        (routed(True, table(IGW)), "public IP", OK, "ENABLED; subnet-1 by igw-1", ""),
        (routed(False, table(IGW)), "public IP", UNKNOWN, "without VPC endpoints", "[fargate] assign_public_ip"),
        (routed(True, table(NAT)), "public IP", ADVICE, "of no use", "Disable it"),
        (routed(False, table(IGW), table(NAT, of="subnet-1")), "public IP", OK, "nat-1", ""),
        (routed(False, table(NAT), table(IGW, of="subnet-1")), "public IP", UNKNOWN, "igw-1", "NAT gateway"),
        (routed(False, table(NAT, destination="10.0.0.0/8")), "public IP", UNKNOWN, "without default route", "VPC endpoints"),
        (routed(False, table(NAT, State="blackhole")), "public IP", UNKNOWN, "without default route", "VPC endpoints"),
        (routed(True, {**ROUTES, "Routes": [OVER_IPV6, *table(IGW)["Routes"]]}), "public IP", OK, "igw-1", ""),
        (routed(False, {**ROUTES, "Routes": [OVER_IPV6]}), "public IP", OK, "eigw-1", ""),
        (routed(False), "public IP", UNKNOWN, "without default route", "VPC endpoints"),
        (routed(True), "public IP", UNKNOWN, "without default route", "Use subnets with a route to an internet gateway"),
        (answered(TABLES, DENIED), "public IP", UNKNOWN, "not authorized", "Allow ec2:DescribeRouteTables"),
        (answered(SUBNETS, DENIED), "public IP", UNKNOWN, "not looked at", "See the rows above"),
    ],
)  # fmt: skip
def test_row(facts, check, result, found, remedy):
    """Each mistake has its row; what EC2 does not show is no failure, and never right."""
    row = {row.check: row for row in check_network(facts)}[check]
    assert row.result == result
    assert found in row.found
    assert remedy in row.remedy
    assert bool(row.remedy) == (result != OK)


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        (replace(GOOD, answers={}), {SUBNETS, GROUPS}),
        (GOOD, {SUBNETS, GROUPS, TABLES}),
        (network(subnets=["sg-1"]), {GROUPS}),
        (network(securityGroups=[]), {SUBNETS, TABLES}),
        (replace(GOOD, request={}), set()),
    ],
)
def test_what_is_asked(facts, asked):
    """Not what has no id's form; the routes once the VPC is known."""
    assert set(network_questions(facts)) == asked

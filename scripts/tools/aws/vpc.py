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
"""Whether a VPC and subnets of somebody else's are fit for a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

#: What names in the VPC need: the attributes of DescribeVpcAttribute, and the options of the AWS CLI that set them.
#: https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
DNS = {"EnableDnsSupport": "--enable-dns-support", "EnableDnsHostnames": "--enable-dns-hostnames"}


def mistakes(ec2: Any, vpc: str, subnets: Sequence[str], is_whole: bool) -> list[str]:
    """Return what is wrong with a VPC and its subnets; a whole Airflow needs two Availability Zones."""
    by_id = [{"Name": "vpc-id", "Values": [vpc]}]
    if not any(found["VpcId"] == vpc for found in ec2.describe_vpcs(Filters=by_id)["Vpcs"]):
        return [f"--vpc {vpc}: there is none in {ec2.meta.region_name} of this account."]
    return [*_without_dns(ec2, vpc), *_wrong_subnets(ec2, vpc, subnets, is_whole)]


def _without_dns(ec2: Any, vpc: str) -> Iterator[str]:
    for name, option in DNS.items():
        answer = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=f"e{name[1:]}")
        if not answer[name]["Value"]:
            yield f"--vpc {vpc}: {name} is off. Run: aws ec2 modify-vpc-attribute --vpc-id {vpc} {option}"


def _wrong_subnets(ec2: Any, vpc: str, subnets: Sequence[str], is_whole: bool) -> Iterator[str]:
    by_id = [{"Name": "subnet-id", "Values": list(subnets)}]
    there = {found["SubnetId"]: found for found in ec2.describe_subnets(Filters=by_id)["Subnets"]}
    wrong = [*filter(None, (_wrong_subnet(subnet, there.get(subnet), vpc) for subnet in subnets))]
    yield from wrong
    zones = {there[subnet]["AvailabilityZone"] for subnet in subnets if subnet in there}
    if is_whole and not wrong and len(zones) < 2:
        yield f"--subnets {','.join(subnets)}: all are in {zones.pop()}; the database and the load balancer need two Availability Zones."


def _wrong_subnet(subnet: str, found: Any, vpc: str) -> str:
    if found is None:
        return f"--subnets: there is no {subnet} in this Region of this account."
    return "" if found["VpcId"] == vpc else f"--subnets: {subnet} is in {found['VpcId']}, not in {vpc}."

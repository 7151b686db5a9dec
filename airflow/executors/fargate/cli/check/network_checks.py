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
"""Checks of the network of a request: subnets, security groups, and the way out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.cli.check.checks import ABOVE, ADVICE, FAILED, OK, UNKNOWN, Row, not_looked_at
from airflow.executors.fargate.cli.check.questions import Question, question

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.check.facts import Facts

#: An ECS task takes one address. With fewer free ones than this, a run of many tasks soon has none.
FEW_ADDRESSES = 16
#: All addresses as the destination of a route, those of IPv4 first.
EVERYWHERE = {"DestinationCidrBlock": "0.0.0.0/0", "DestinationIpv6CidrBlock": "::/0"}
#: Where a default route can lead, by the member of the route that says so.
WAYS_OUT = (
    "GatewayId",
    "NatGatewayId",
    "TransitGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "EgressOnlyInternetGatewayId",
    "CoreNetworkArn",
    "VpcPeeringConnectionId",
)
PUBLIC_IP = "public IP"
#: What to do if subnets have no way out, by ``assignPublicIp``.
REMEDIES = {
    "DISABLED": "Give them VPC endpoints (not looked at), a NAT gateway, or a public IP: [fargate] assign_public_ip",
    "ENABLED": "Use subnets with a route to an internet gateway, or set [fargate] assign_public_ip to DISABLED and "
    "give them a NAT gateway or VPC endpoints (not looked at)",
}


def network_questions(facts: Facts) -> Iterable[Question]:
    """Yield the questions for the subnets, the security groups, and the route tables of the VPCs."""
    if _well_formed(facts, "subnets", "subnet-"):
        yield _subnets_question(facts)
    if _well_formed(facts, "securityGroups", "sg-"):
        yield _groups_question(facts)
    if vpcs := _vpcs(facts):
        yield _routes_question(vpcs)


def _well_formed(facts: Facts, member: str, prefix: str) -> bool:
    ids = facts.network.get(member) or ()
    return bool(ids) and all(one.startswith(prefix) for one in ids)


def _filtered(operation: str, name: str, values: Iterable[str]) -> Question:
    """Return the question for what has one of the values: by ids, one that is missing would be an error for all."""
    return question("ec2", operation, Filters=[{"Name": name, "Values": sorted(values)}])


def _subnets_question(facts: Facts) -> Question:
    return _filtered("DescribeSubnets", "subnet-id", facts.network["subnets"])


def _groups_question(facts: Facts) -> Question:
    return _filtered("DescribeSecurityGroups", "group-id", facts.network["securityGroups"])


def _routes_question(vpcs: Iterable[str]) -> Question:
    return _filtered("DescribeRouteTables", "vpc-id", vpcs)


def _subnets(facts: Facts) -> Sequence[Mapping[str, Any]]:
    """Return the subnets that exist; empty if this is not known."""
    if not _well_formed(facts, "subnets", "subnet-"):
        return ()
    answer = facts.answers.get(_subnets_question(facts))
    return (answer.response.get("Subnets") or ()) if answer else ()


def _vpcs(facts: Facts) -> set[str]:
    return {str(one.get("VpcId")) for one in _subnets(facts)}


def check_network(facts: Facts) -> Iterable[Row]:
    """Check the subnets and the security groups of the request, and whether they suit each other."""
    if not facts.network:
        if facts.request and facts.definition.get("networkMode") == "awsvpc":
            yield Row("subnets", FAILED, "none, and the task definition needs them", "Set [fargate] subnets")
        return
    yield _check_form(facts, "subnets", "subnets", "subnet-") or _check_subnets(facts)
    if facts.network.get("securityGroups"):
        wrong = _check_form(facts, "security groups", "securityGroups", "sg-")
        yield wrong or _check_groups(facts)
    else:
        remedy = "Set [fargate] security_groups to choose what the ECS tasks can reach"
        yield Row("security groups", ADVICE, "none: AWS uses the default one of the VPC", remedy)
    yield _check_public_ip(facts)


def _check_form(facts: Facts, check: str, member: str, prefix: str) -> Row | None:
    """Return a row if one of the ids does not have the form."""
    if _well_formed(facts, member, prefix):
        return None
    wrong = ", ".join(one for one in facts.network.get(member) or () if not one.startswith(prefix))
    remedy = f"Correct [fargate] {check.replace(' ', '_')}"
    return Row(check, FAILED, f"no id of the form {prefix}…: {wrong or 'none at all'}", remedy)


def _check_subnets(facts: Facts) -> Row:
    check, asked, there = "subnets", _subnets_question(facts), _subnets(facts)
    answer = facts.answers.get(asked)
    if answer is None or answer.error:
        return not_looked_at(check, answer, asked.action)
    missing = sorted(set(facts.network["subnets"]) - {one["SubnetId"] for one in there})
    if missing:
        found = f"there is no {', '.join(missing)} in this account and Region"
        return Row(check, FAILED, found, "Correct [fargate] subnets and region")
    if len(vpcs := _vpcs(facts)) > 1:
        found = f"they are in several VPCs: {', '.join(sorted(vpcs))}"
        return Row(check, FAILED, found, "Use those of one VPC")
    if unready := [one for one in there if one.get("State") != "available"]:
        found = ", ".join(f"{one['SubnetId']} is {one.get('State')}" for one in unready)
        return Row(check, FAILED, found, "Use subnets that are available")
    free = {one["SubnetId"]: _free_addresses(one) for one in there}
    found = ", ".join(
        f"{one['SubnetId']} ({one.get('AvailabilityZone')}, {free[one['SubnetId']]})" for one in there
    )
    return Row(check, *_by_addresses(there, found))


def _free_addresses(subnet: Mapping[str, Any]) -> str:
    if subnet.get("Ipv6Native"):
        return "IPv6"
    count = subnet.get("AvailableIpAddressCount")
    return "free addresses are not known" if count is None else f"{count} free addresses"


def _by_addresses(subnets: Iterable[Mapping[str, Any]], found: str) -> tuple[str, str, str]:
    """Return result, what was found and the remedy by the free addresses in the fullest subnet."""
    # AWS counts the addresses of IPv4; a subnet with IPv6 alone has none of them, and needs none.
    counts = [one.get("AvailableIpAddressCount") for one in subnets if not one.get("Ipv6Native")]
    least = min((count for count in counts if count is not None), default=FEW_ADDRESSES)
    if least < FEW_ADDRESSES:
        return (ADVICE if least else FAILED), found, "Add larger subnets: each ECS task takes an address"
    return (UNKNOWN, found, "Check that they have enough") if None in counts else (OK, found, "")


def _check_groups(facts: Facts) -> Row:
    check, asked = "security groups", _groups_question(facts)
    answer, ids = facts.answers.get(asked), facts.network["securityGroups"]
    if answer is None or answer.error:
        return not_looked_at(check, answer, asked.action)
    there = answer.response.get("SecurityGroups") or ()
    if missing := sorted(set(ids) - {one["GroupId"] for one in there}):
        found = f"there is no {', '.join(missing)} in this account and Region"
        return Row(check, FAILED, found, "Correct [fargate] security_groups and region")
    vpcs = {str(one.get("VpcId")) for one in there}
    if len(vpcs | _vpcs(facts)) > 1:
        found = f"they are in {', '.join(sorted(vpcs))}, the subnets in {', '.join(sorted(_vpcs(facts)))}"
        return Row(check, FAILED, found, "Use security groups of the VPC of the subnets")
    if not any(one.get("IpPermissionsEgress") for one in there):
        found = f"{', '.join(ids)}: none has a rule for outbound traffic, so no image can be pulled"
        return Row(check, FAILED, found, "Add a rule for outbound traffic")
    return Row(check, OK, f"{', '.join(ids)}; outbound traffic is allowed by a rule")


def _check_public_ip(facts: Facts) -> Row:
    """Compare the public IP with the default routes of the subnets; VPC endpoints are not looked at."""
    public = facts.network.get("assignPublicIp", "DISABLED")
    if not (subnets := _subnets(facts)):
        need = "be public ones" if public == "ENABLED" else "have a NAT gateway or VPC endpoints"
        found = f"{public}: the subnets must {need}, which was not looked at"
        return Row(PUBLIC_IP, UNKNOWN, found, ABOVE)
    asked = _routes_question(_vpcs(facts))
    answer = facts.answers.get(asked)
    if answer is None or answer.error:
        return not_looked_at(PUBLIC_IP, answer, asked.action)
    tables = answer.response.get("RouteTables") or ()
    ways = {str(one["SubnetId"]): _way_out(one, tables) for one in subnets}
    return _compare(public, ways)


def _way_out(subnet: Mapping[str, Any], tables: Iterable[Mapping[str, Any]]) -> str:
    """Return where the default route of a subnet leads; empty if it has none."""
    tables = [one for one in tables if one.get("VpcId") == subnet.get("VpcId")]
    table = _associated(tables, "SubnetId", subnet["SubnetId"]) or _associated(tables, "Main", True) or {}
    for member, everywhere in EVERYWHERE.items():
        for route in table.get("Routes") or ():
            if route.get(member) == everywhere and route.get("State") != "blackhole":
                return next((str(route[name]) for name in WAYS_OUT if route.get(name)), "")
    return ""


def _associated(tables: Iterable[Mapping[str, Any]], member: str, value: Any) -> Mapping[str, Any] | None:
    """Return the route table with an association that has this value."""
    return next(
        (one for one in tables if any(each.get(member) == value for each in one.get("Associations") or ())),
        None,
    )


def _compare(public: str, ways: Mapping[str, str]) -> Row:
    by_way = {way: ", ".join(subnet for subnet in ways if ways[subnet] == way) for way in ways.values()}
    routes = [
        f"{subnets} by {way}" if way else f"{subnets} without default route"
        for way, subnets in by_way.items()
    ]
    found = f"{public}; {'; '.join(routes)}"
    shut = [
        subnet for subnet, way in ways.items() if not way or (way.startswith("igw-") and public != "ENABLED")
    ]
    if shut:
        return Row(
            PUBLIC_IP,
            UNKNOWN,
            f"{found}: without VPC endpoints ECS reaches no registry and no log",
            REMEDIES.get(public, REMEDIES["DISABLED"]),
        )
    if public == "ENABLED" and not all(way.startswith("igw-") for way in ways.values()):
        return Row(
            PUBLIC_IP,
            ADVICE,
            f"{found}: the address is of no use there",
            "Disable it: [fargate] assign_public_ip",
        )
    return Row(PUBLIC_IP, OK, found)

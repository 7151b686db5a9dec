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
"""The checks of ``airflow fargate check``: facts in, rows of a table out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws import capacity
from airflow.executors.fargate.aws.capacity import providers
from airflow.executors.fargate.aws.classify import CREDENTIAL_CODES, SERVER_CODES, THROTTLE_CODES

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.facts import Answer, Facts

OK = "ok"
FAILED = "failed"
#: It works, but could be better.
ADVICE = "advice"
#: It was not tested; the row says why.
UNKNOWN = "not tested"
#: How a result is shown in a table.
MARKS = {OK: "✓", FAILED: "✗", ADVICE: "!", UNKNOWN: "?"}

#: AWS's error codes for a missing permission.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
REFUSED = ("AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation")
#: botocore's errors for a connection that fails.
UNREACHED = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
    "ProxyConnectionError",
    "SSLError",
)


@dataclass(frozen=True)
class Row:
    """The result of one check: what was checked, the result, what was found, and what to do."""

    check: str
    result: str
    found: str
    remedy: str = ""

    def columns(self, marks: bool) -> dict[str, str]:
        """Return the row of the output, with a mark in place of the result if ``marks``."""
        result = MARKS[self.result] if marks else self.result
        return {"result": result, "check": self.check, "found": self.found, "remedy": self.remedy}


def describe_error(answer: Answer) -> str:
    """Return an error in one line."""
    if answer.remedy:
        return answer.message
    return f"{answer.error}: {answer.message}" if answer.message else str(answer.error)


def failed_call(check: str, answer: Answer, refused: Row, otherwise: str) -> Row:
    """
    Return the row of a check whose call failed.

    :param refused: the row if the permission for the call is missing.
    :param otherwise: what to do about an error that is neither that nor one of the connection.
    """
    if answer.remedy:
        return Row(check, FAILED, describe_error(answer), answer.remedy)
    if answer.error in REFUSED:
        return refused
    if answer.error in UNREACHED:
        return Row(
            check, FAILED, describe_error(answer), "Check the Region, [fargate] endpoint_url and the network"
        )
    if answer.error in CREDENTIAL_CODES:
        return Row(check, FAILED, describe_error(answer), "Give valid credentials first")
    if answer.error in THROTTLE_CODES | SERVER_CODES:
        return Row(check, UNKNOWN, describe_error(answer), "Check again later")
    return Row(check, FAILED, describe_error(answer), otherwise)


def check_region(facts: Facts) -> Iterable[Row]:
    """Show the Region of all calls."""
    yield Row("region", OK, facts.region)


def check_credentials(facts: Facts) -> Iterable[Row]:
    """Check the credentials, and show whose they are; nothing of the credentials themselves is shown."""
    caller = facts.caller
    if caller.error is None:
        yield Row("credentials", OK, str(caller.response.get("Arn")))
    elif caller.error in UNREACHED:
        # STS has an endpoint of its own, which the executor does not need.
        yield Row(
            "credentials", UNKNOWN, describe_error(caller), "Nothing, if the calls to ECS below are allowed"
        )
    else:
        remedy = "Give the scheduler valid credentials: a role, a profile, or [fargate] conn_id"
        yield Row("credentials", FAILED, describe_error(caller), caller.remedy or remedy)


def check_cluster(facts: Facts) -> Iterable[Row]:
    """Check that the cluster exists, and that it has the capacity providers that the request names."""
    if facts.cluster.error is not None:
        remedy = "Allow ecs:DescribeClusters to whoever runs this check; the executor does not need it"
        refused = Row("cluster", UNKNOWN, describe_error(facts.cluster), remedy)
        yield failed_call("cluster", facts.cluster, refused, "Check [fargate] cluster and region")
        return
    clusters = facts.cluster.response.get("clusters") or []
    if not clusters:
        reasons = [str(one.get("reason")) for one in facts.cluster.response.get("failures") or ()]
        remedy = "Create it, or correct [fargate] cluster and region"
        yield Row(
            "cluster",
            FAILED,
            f"there is no such cluster: {', '.join(reasons) or 'AWS gave no reason'}",
            remedy,
        )
        return
    [cluster] = clusters[:1]
    name, status = cluster.get("clusterName"), cluster.get("status")
    if status == "ACTIVE":
        yield Row("cluster", OK, f"{name}, {status}")
    else:
        yield Row("cluster", FAILED, f"{name}, {status}", "Use a cluster that is ACTIVE")
    yield from _check_providers("capacity providers", facts.request, cluster)
    yield from _check_providers("fallback", facts.fallback, cluster)
    if facts.no_fallback:
        yield Row("fallback", ADVICE, facts.no_fallback, "Nothing, if these tasks may wait for capacity")


def _check_providers(
    check: str, request: Mapping[str, Any] | None, cluster: Mapping[str, Any]
) -> Iterable[Row]:
    wanted = providers(request or {})
    missing = [one for one in wanted if one not in (cluster.get("capacityProviders") or ())]
    if missing:
        name = cluster.get("clusterName")
        remedy = f"Add to the cluster: aws ecs put-cluster-capacity-providers --cluster {name} …"
        yield Row(check, FAILED, f"the cluster lacks {', '.join(missing)}", remedy)
    elif wanted:
        yield Row(check, OK, ", ".join(wanted))


def check_request(facts: Facts) -> Iterable[Row]:
    """Check that the options, or the user's function, make a request that AWS accepts."""
    if facts.request is None:
        yield Row("request", FAILED, facts.refusal or "", "Correct what is named")
    else:
        members = [name for name in facts.request if name not in ("overrides", "count", "startedBy")]
        yield Row("request", OK, f"valid for an example; it sets {', '.join(members)}")


def check_network(facts: Facts) -> Iterable[Row]:
    """Check that the request has subnets and security groups, and the form of their ids."""
    if facts.request is None:
        return
    network = (facts.request.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if not network:
        if facts.definition.get("networkMode") == "awsvpc":
            yield Row("subnets", FAILED, "none, and the task definition needs them", "Set [fargate] subnets")
        return
    yield Row("subnets", *_check_ids(network.get("subnets"), "subnet-", "Set [fargate] subnets"))
    if network.get("securityGroups"):
        yield Row(
            "security groups",
            *_check_ids(network["securityGroups"], "sg-", "Correct [fargate] security_groups"),
        )
    else:
        remedy = "Set [fargate] security_groups to choose what the ECS tasks can reach"
        yield Row("security groups", ADVICE, "none: AWS uses the default one of the VPC", remedy)
    public = network.get("assignPublicIp", "DISABLED")
    if public == "ENABLED":
        yield Row("public IP", OK, "ENABLED: the subnets must be public ones")
    else:
        yield Row("public IP", OK, f"{public}: the subnets must have a NAT gateway or VPC endpoints")


def _check_ids(ids: list[str] | None, prefix: str, remedy: str) -> tuple[str, str, str]:
    wrong = [one for one in ids or () if not one.startswith(prefix)]
    if wrong or not ids:
        return FAILED, f"no id of the form {prefix}…: {', '.join(wrong) or 'none at all'}", remedy
    return OK, ", ".join(ids), ""


def on_fargate(facts: Facts) -> bool | None:
    """Return whether the example runs on Fargate; None if an unknown default strategy decides."""
    by_request = capacity.on_fargate(facts.request or {})
    return capacity.on_fargate(default_strategy(facts)) if by_request is None else by_request


def default_strategy(facts: Facts) -> Mapping[str, Any]:
    """Return the cluster's default strategy, which decides if a request names no capacity."""
    cluster: Mapping[str, Any] = next(iter(facts.cluster.response.get("clusters") or ()), {})
    return {"capacityProviderStrategy": cluster.get("defaultCapacityProviderStrategy")}


def check_queues(facts: Facts, checks: Iterable[Callable[[Facts], Iterable[Row]]]) -> Iterable[Row]:
    """
    Return the rows that differ for the tasks of each queue that the options name.

    :param checks: those that look at a request.
    """
    all_checks = list(checks)
    usual = set(rows_of(facts, all_checks))
    for queue, own in facts.queues.items():
        rows = [row for row in rows_of(own, all_checks) if row not in usual]
        if not rows:
            yield Row(f"queue {queue}", OK, "no difference")
        yield from (replace(row, check=f"queue {queue}: {row.check}") for row in rows)


def check_options(mistakes: Iterable[str]) -> list[Row]:
    """Return a row for each mistake in the options; nothing else can be checked."""
    rows = []
    for mistake in mistakes:
        name, _, rest = mistake.partition(": ")
        what, _, remedy = rest.rstrip(".").rpartition(". ")
        rows.append(Row("options", FAILED, f"{name}: {what or rest}" if rest else name, remedy))
    rows.append(Row("everything else", UNKNOWN, "the options come first", "Correct them, and check again"))
    return rows


def rows_of(facts: Facts, checks: Iterable[Callable[[Facts], Iterable[Row]]]) -> list[Row]:
    """Return the rows of all checks, in order."""
    return [row for check in checks for row in check(facts)]

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
"""Checks of what belongs together: endpoints, the accounts and Regions of ARNs, and the roles of ECS tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.executors.fargate.aws.capacity import providers
from airflow.executors.fargate.aws.classify import without_user
from airflow.executors.fargate.cli.check.checks import (
    ABOVE,
    ADVICE,
    AT_AWS,
    FAILED,
    OK,
    UNKNOWN,
    Row,
    not_looked_at,
    ok_or_failed,
)
from airflow.executors.fargate.cli.check.facts import is_of_aws
from airflow.executors.fargate.cli.check.questions import Question, question

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.check.facts import Facts

#: What assumes the roles of an ECS task.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
ECS_TASKS = "ecs-tasks.amazonaws.com"
#: The roles of a task definition, and how they are called.
ROLES = {"taskRoleArn": "task role", "executionRoleArn": "execution role"}
#: The account and the Region in an ARN; either can be empty, as in a role's.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
ARN = re.compile(r"arn:[^:]+:(?P<service>[^:]+):(?P<region>[^:]*):(?P<account>[^:]*):(?P<resource>.+)")


class Named(NamedTuple):
    """An account and a Region that something is in; empty where it is in all Regions."""

    what: str
    account: str
    region: str


def check_endpoints(facts: Facts) -> Iterable[Row]:
    """Say which service was asked where, if an endpoint is not AWS's own."""
    own = [service for service, url in facts.endpoints.items() if is_of_aws(url)]
    others = {service: url for service, url in facts.endpoints.items() if service not in own}
    if not others:
        return
    found = "; ".join(
        f"{', '.join(service for service in others if others[service] == url)} at {without_user(url)}"
        for url in dict.fromkeys(others.values())
    )
    if own:
        remedy = (
            "Set AWS_ENDPOINT_URL if the others are there too: [fargate] endpoint_url is that of ECS alone"
        )
        yield Row("endpoints", ADVICE, f"{found}; {', '.join(own)} at AWS itself", remedy)
    else:
        yield Row("endpoints", OK, f"{found}; none at AWS itself")


def check_accounts(facts: Facts) -> Iterable[Row]:
    """Compare the account and the Region of each ARN with those of the credentials and the options."""
    named = list(dict.fromkeys(_named(facts)))
    if not named:
        return
    if not facts.account_id or facts.is_elsewhere("sts"):
        why = f"STS was {AT_AWS}" if facts.account_id else "that of the credentials is not known"
        yield Row("account", UNKNOWN, f"not compared: {why}", ABOVE)
        return
    wrong = [one for one in named if _differs(one, facts)]
    for one in wrong:
        found = (
            f"{one.what} is in {_place(one)}, and the credentials are of {facts.account_id}, {facts.region}"
        )
        yield Row("account", FAILED, found, f"Correct the account and the Region of the {one.what}")
    if not wrong:
        whats = ", ".join(dict.fromkeys(one.what for one in named))
        yield Row("account", OK, f"{facts.account_id}, {facts.region}: {whats}")


def _place(one: Named) -> str:
    return ", ".join(filter(None, (one.account, one.region)))


def _differs(one: Named, facts: Facts) -> bool:
    of_another = one.account and one.account != facts.account_id
    return bool(of_another or (one.region and one.region != facts.region))


def _named(facts: Facts) -> Iterable[Named]:
    """Yield what RunTask needs in the account and the Region of the call; images and secrets may be elsewhere."""
    arns = [
        ("cluster", facts.request.get("cluster")),
        ("cluster", facts.cluster_description.get("clusterArn")),
        ("task definition", facts.request.get("taskDefinition")),
        ("task definition", facts.definition.get("taskDefinitionArn")),
        *((what, facts.role(name)) for name, what in ROLES.items()),
        *(("capacity provider", one) for one in providers(facts.request)),
    ]
    for what, arn in arns:
        if parts := ARN.fullmatch(str(arn or "")):
            yield Named(what, parts["account"], parts["region"])


def role_questions(facts: Facts) -> Iterable[Question]:
    """Yield the questions for the roles; IAM looks for a name in the account of the credentials only."""
    for name in ROLES:
        role = facts.role(name)
        if role and not _of_another_account(role, facts):
            yield question("iam", "GetRole", RoleName=role.rpartition("/")[2])


def _of_another_account(arn: str, facts: Facts) -> bool:
    parts = ARN.fullmatch(arn)
    return bool(parts and facts.account_id and parts["account"] not in ("", facts.account_id))


def check_roles(facts: Facts) -> Iterable[Row]:
    """Check that the roles exist, that ECS may assume them, and that ECS Exec has one."""
    for name, check in ROLES.items():
        if role := facts.role(name):
            yield _check_role(facts, check, role)
    # AWS refuses ECS Exec without a task role. What the role must allow:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions
    role = facts.role("taskRoleArn")
    if facts.request.get("enableExecuteCommand") and facts.definition:
        found = f"with {role}" if role else "it needs a task role, and there is none"
        yield ok_or_failed(bool(role), "ECS Exec", found, "Set the definition's taskRoleArn")


def _check_role(facts: Facts, check: str, role: str) -> Row:
    asked = question("iam", "GetRole", RoleName=role.rpartition("/")[2])
    answer = facts.answers.get(asked)
    if _of_another_account(role, facts):
        found = f"{role}, of another account, which ECS refuses"
        return Row(check, FAILED, found, "Name a role of the account of the cluster")
    if answer and answer.error == "NoSuchEntity":
        return Row(check, FAILED, f"there is no role {role}", f"Create it, or correct the {check}'s ARN")
    if answer is None or answer.error:
        return not_looked_at(check, answer, asked.action)
    there: Mapping[str, Any] = answer.response.get("Role") or {}
    if ARN.fullmatch(role) and there.get("Arn") != role:
        return Row(check, FAILED, f"{role}, but it is {there.get('Arn')}", "Correct its path")
    return _check_trust(check, role, there.get("AssumeRolePolicyDocument") or {})


def _check_trust(check: str, role: str, document: Mapping[str, Any]) -> Row:
    keys = trust_of_ecs(document)
    if keys is None:
        remedy = f"Let {ECS_TASKS} call sts:AssumeRole in its trust policy"
        return Row(check, FAILED, f"{role}: its trust policy does not let ECS assume it", remedy)
    if keys:
        found = f"{role}: ECS may assume it on a condition on {', '.join(keys)}, which was not tested"
        remedy = "Check that the condition is true for ECS tasks of this account, Region and cluster"
        return Row(check, ADVICE, found, remedy)
    return Row(check, OK, f"{role}, which ECS may assume")


def trust_of_ecs(policy: Mapping[str, Any]) -> tuple[str, ...] | None:
    """
    Return the keys of the conditions on which a trust policy lets ECS tasks assume the role.

    It is empty if there is none, and None if ECS may not assume the role.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    matching = [one for one in _listed(policy.get("Statement")) if _is_for_ecs(one)]
    allowed = [_condition_keys(one) for one in matching if one.get("Effect") == "Allow"]
    denied = [_condition_keys(one) for one in matching if one.get("Effect") == "Deny"]
    if not allowed or () in denied:
        return None
    # One statement without a condition is enough, unless another one can deny.
    conditions = [*([] if () in allowed else allowed), *denied]
    return tuple(dict.fromkeys(key for keys in conditions for key in keys))


def _is_for_ecs(statement: Mapping[str, Any]) -> bool:
    """Tell whether a statement is about sts:AssumeRole by ECS tasks. Actions have no case, and wildcards."""
    refused = _listed(statement.get("NotAction"))
    actions = _listed(statement.get("Action"))
    is_action = not _has_assume_role(refused) if refused else _has_assume_role(actions)
    principal = statement.get("Principal")
    services = _listed(principal.get("Service")) if isinstance(principal, dict) else _listed(principal)
    return is_action and any(one in (ECS_TASKS, f"{ECS_TASKS}.cn", "*") for one in services)


def _has_assume_role(actions: Sequence[str]) -> bool:
    return any(fnmatchcase("sts:assumerole", action.lower()) for action in actions)


def _condition_keys(statement: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(key for members in (statement.get("Condition") or {}).values() for key in members)


def _listed(value: Any) -> Sequence[Any]:
    """Return a member of a policy as a list: one alone need not be in a list."""
    return value if isinstance(value, list) else [] if value is None else [value]

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
"""The checks of ``airflow fargate check``: facts in, rows of a table out. Makes no calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from airflow.executors.fargate.aws import classify
from airflow.executors.fargate.aws.capacity import providers
from airflow.executors.fargate.cli.asking import INVALID, NO_ANSWER, Answer
from airflow.executors.fargate.cli.check.facts import Facts

OK = "ok"
FAILED = "failed"
#: It works, but could be better.
ADVICE = "advice"
#: It was not tested; the row says why.
UNKNOWN = "not tested"
#: How a result is shown in a table, the worst last.
MARKS = {OK: "✓", ADVICE: "!", UNKNOWN: "?", FAILED: "✗"}

#: The error of a call that is allowed and finds nothing.
FOUND_NOTHING = "ResourceNotFoundException"
#: How S3 refuses to say more of a bucket.
REFUSED_STATUS = frozenset({"403"})
#: What to do if only an ECS task knows.
FROM_INSIDE = "The rows of airflow fargate check --run look from inside an ECS task"
#: Said of what AWS itself says, if ECS has another endpoint.
AT_AWS = "asked at AWS itself, and ECS is elsewhere"
#: What to do if another row says more.
ABOVE = "See the rows above"


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


#: A check of its own, or several that belong together.
Check = Callable[[Facts], Iterable[Row]]


def ok_or_failed(good: bool, check: str, found: str, remedy: str) -> Row:
    """Return a row that is OK, or else one that has failed, with the remedy."""
    return Row(check, OK, found) if good else Row(check, FAILED, found, remedy)


def failed_call(check: str, answer: Answer, if_refused: str, otherwise: str) -> Row:
    """
    Return the row of a check whose call failed.

    :param if_refused: the remedy if the permission for the call is missing; the result is then UNKNOWN.
    :param otherwise: the remedy for any other error of ECS.
    """
    if answer.error in classify.REFUSED_CODES:
        return Row(check, UNKNOWN, str(answer), if_refused)
    if answer.error in classify.THROTTLE_CODES | classify.SERVER_CODES:
        return Row(check, UNKNOWN, str(answer), "Check again later")
    if answer.error == NO_ANSWER:
        otherwise = "Check the Region, [fargate] endpoint_url and the network"
    elif answer.error in classify.CREDENTIAL_CODES:
        otherwise = "Give valid credentials first"
    return Row(check, FAILED, str(answer), answer.remedy or otherwise)


def not_looked_at(check: str, answer: Answer | None, action: str) -> Row:
    """
    Return the row of what a call did not show; the executor does not make the call, so this is no failure.

    :param answer: None if the call was not made.
    :param action: the permission that the call needs.
    """
    found, remedy = f"not looked at: {answer or ABOVE.lower()}", ABOVE
    is_s3 = action.startswith("s3:")
    if answer and answer.error in classify.REFUSED_CODES | (REFUSED_STATUS if is_s3 else frozenset()):
        remedy = f"Allow {action} to whoever runs this check; the executor does not need it"
    elif answer and answer.error in classify.THROTTLE_CODES | classify.SERVER_CODES:
        remedy = "Check again later"
    elif answer and answer.error == INVALID:
        remedy = "Correct its name"
    elif answer and answer.error == NO_ANSWER:
        remedy = f"Nothing, if the executor works: only this check needs {action}"
    return Row(check, UNKNOWN, found, (answer and answer.remedy) or remedy)


def with_place(check: Check, *services: str) -> Check:
    """Return a check whose rows say so if one of these services was asked at AWS itself, and ECS elsewhere."""

    def rows(facts: Facts) -> Iterable[Row]:
        is_elsewhere = any(map(facts.is_elsewhere, services))
        for row in check(facts):
            yield replace(row, found=f"{row.found} ({AT_AWS})") if is_elsewhere else row

    return rows


def check_caller(facts: Facts) -> Iterable[Row]:
    """Show the Region, and whose the credentials are; nothing of the credentials themselves is shown."""
    yield Row("region", OK, facts.region)
    caller = facts.caller
    if caller.error == NO_ANSWER or (caller.error and facts.is_elsewhere("sts")):
        # STS has an endpoint of its own, which the executor does not need.
        yield Row("credentials", UNKNOWN, str(caller), "Nothing, if the calls to ECS below are allowed")
    else:
        found = str(caller.response.get("Arn") if caller.error is None else caller)
        remedy = "Give the scheduler valid credentials: a role, a profile, or [fargate] conn_id"
        yield ok_or_failed(caller.error is None, "credentials", found, caller.remedy or remedy)


def check_cluster(facts: Facts) -> Iterable[Row]:
    """Check that the cluster exists, and that it has the capacity providers that the request names."""
    if facts.cluster.error is not None:
        if_refused = "Allow ecs:DescribeClusters to whoever runs this check; the executor does not need it"
        yield failed_call("cluster", facts.cluster, if_refused, "Check [fargate] cluster and region")
        return
    if not (cluster := facts.cluster_description):
        reasons = ", ".join(str(one.get("reason")) for one in facts.cluster.response.get("failures") or ())
        found = f"there is no such cluster: {reasons or 'AWS gave no reason'}"
        yield Row("cluster", FAILED, found, "Create it, or correct [fargate] cluster and region")
        return
    name, status = cluster.get("clusterName"), cluster.get("status")
    yield ok_or_failed(status == "ACTIVE", "cluster", f"{name}, {status}", "Use a cluster that is ACTIVE")
    for check, request in (("capacity providers", facts.request), ("fallback", facts.fallback or {})):
        wanted = providers(request)
        lacking = [one for one in wanted if one not in (cluster.get("capacityProviders") or ())]
        found = f"the cluster lacks {', '.join(lacking)}" if lacking else ", ".join(wanted)
        remedy = f"Add to the cluster: aws ecs put-cluster-capacity-providers --cluster {name} …"
        if wanted:
            yield ok_or_failed(not lacking, check, found, remedy)
    if facts.no_fallback:
        yield Row("fallback", ADVICE, facts.no_fallback, "Nothing, if these tasks may wait for capacity")


def check_request(facts: Facts) -> Iterable[Row]:
    """Check that the options, or the user's function, make a request that AWS accepts."""
    members = ", ".join(name for name in facts.request if name not in ("overrides", "count", "startedBy"))
    found = facts.refusal or f"valid for an example; it sets {members}"
    yield ok_or_failed(not facts.refusal, "request", found, "Correct what is named")


def check_queues(facts: Facts, checks: Iterable[Check]) -> Iterable[Row]:
    """
    Return the rows that differ for the tasks of each queue that the options name.

    :param checks: those that look at a request.
    """
    usual = set(rows_of(facts, checks))
    for queue, own in facts.queues.items():
        rows = [row for row in rows_of(own, checks) if row not in usual]
        if not rows:
            yield Row(f"queue {queue}", OK, "no difference")
        yield from (replace(row, check=f"queue {queue}: {row.check}") for row in rows)


def check_options(mistakes: Iterable[str]) -> Iterable[Row]:
    """Return a row for each mistake in the options; nothing else can be checked."""
    for mistake in mistakes:
        name, _, rest = mistake.partition(": ")
        what, _, remedy = rest.rstrip(".").rpartition(". ")
        yield Row("options", FAILED, f"{name}: {what or rest}" if rest else name, remedy)
    yield Row("everything else", UNKNOWN, "the options come first", "Correct them, and check again")


def rows_of(facts: Facts, checks: Iterable[Check]) -> list[Row]:
    """Return the rows of all checks, in order."""
    return [row for check in checks for row in check(facts)]


def check_permissions(facts: Facts) -> Iterable[Row]:
    """
    Check each permission that the executor needs, in the order of an ECS task's life.

    Some are tested only if an ECS task was started; of several answers the worst counts. The documentation lists
    the permissions: ``docs/executor/fargate-security.rst``.
    """
    kinds = [facts, *facts.queues.values()]
    started = [facts.started] if facts.started else []
    definitions, shown = _definitions(kinds), _definitions(started)
    if missing := ", ".join(one for one in definitions if one not in shown):
        yield _untested("ecs:RunTask", f"it would start an ECS task of {missing}")
    else:
        yield Row("ecs:RunTask", OK, f"allowed: it has started an ECS task of {', '.join(definitions)}")
    is_known = all(one.request and one.definition for one in kinds)
    roles, shown = _roles(kinds), _roles(started)
    yield _tested_at_start("iam:PassRole", roles, shown, is_known, "the task definitions name", "roles")
    is_known = all(one.request for one in kinds)
    tags, shown = _tags(kinds), _tags(started)
    yield _tested_at_start("ecs:TagResource", tags, shown, is_known, "the requests have", "tags")
    yield _check_by_cluster("ecs:ListTasks", facts.list_tasks, "adoption after a restart")
    yield _check_by_cluster("ecs:DescribeTasks", facts.describe_tasks, "following the ECS tasks")
    yield _untested("ecs:StopTask", "it would stop an ECS task")
    action, use = "ecs:DescribeTaskDefinition", "finding the log of an ECS task"
    yield _worst(_tested(action, one.task_definition, use, "no task definition is named") for one in kinds)
    yield _worst(map(_check_get_log_events, kinds))


def _definitions(kinds: Iterable[Facts]) -> list[str]:
    return list(dict.fromkeys(str(one.request.get("taskDefinition")) for one in kinds))


def _roles(kinds: Iterable[Facts]) -> list[str]:
    roles = (one.role(name) for one in kinds for name in ("taskRoleArn", "executionRoleArn"))
    return list(dict.fromkeys(role for role in roles if role))


def _tags(kinds: Iterable[Facts]) -> list[str]:
    return ["tags"] if any(one.request.get("tags") for one in kinds) else []


def _worst(rows: Iterable[Row]) -> Row:
    """Return the row with the worst result, the first of several."""
    return max(rows, key=lambda row: list(MARKS).index(row.result))


def _tested_at_start(
    action: str, used: list[str], shown: list[str], is_known: bool, subject: str, thing: str
) -> Row:
    """
    Return the row of a permission that AWS checks when an ECS task is started.

    :param used: what the permission is needed for; empty if it is not needed, or if this is not known.
    :param shown: what an ECS task was started with.
    """
    if missing := ", ".join(one for one in used if one not in shown):
        return _untested(action, f"AWS checks it when an ECS task is started with {missing}")
    if not is_known:
        return _untested(action, f"it is not known whether {subject} {thing}")
    if used:
        return Row(action, OK, f"allowed: an ECS task was started with {', '.join(used)}")
    return Row(action, OK, f"not needed: {subject} no {thing}")


def _check_get_log_events(facts: Facts) -> Row:
    action, is_known = "logs:GetLogEvents", facts.container_definition is not None
    if is_known and facts.awslogs is None:
        return Row(action, OK, "not needed: the container does not write to CloudWatch")
    why_not = f"the log of the container {'has no group' if is_known else 'is not known'}"
    return _tested(action, facts.log_events, "showing the log of an ECS task", why_not)


def _check_by_cluster(action: str, answers: Mapping[str, Answer], use: str) -> Row:
    """Return the row of the cluster with the worst answer; it is named if there are several."""
    where = " (cluster {})" if len(answers) > 1 else ""
    return _worst(_tested(action, one, use, where=where.format(name)) for name, one in answers.items())


def _untested(action: str, why: str) -> Row:
    return Row(action, UNKNOWN, f"not testable: {why}", f"Check that the role allows {action}; run a task")


def _tested(action: str, answer: Answer | None, use: str, why_not: str = "", where: str = "") -> Row:
    """
    Return the row of a permission for which there was a call.

    :param use: what the executor needs it for.
    :param why_not: why there was no call, if ``answer`` is None.
    :param where: what follows an error.
    """
    if answer is None:
        return Row(action, UNKNOWN, f"not tested: {why_not}", ABOVE)
    if answer.error in (None, FOUND_NOTHING):
        return Row(action, OK, "allowed")
    if answer.error in classify.REFUSED_CODES:
        found = f"refused: {answer.message or answer.error}{where}"
        return Row(action, FAILED, found, f"Allow {action}, for {use}")
    return Row(action, UNKNOWN, f"not tested: {answer}{where}", ABOVE)

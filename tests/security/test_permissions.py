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
"""The permissions that the documentation asks for are the least that work: those of the calls that are made."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from botocore.session import Session

from tests.bench.adoption import adopt, make_candidate
from tests.bench.work import make_key, read_log, task_instance

REPOSITORY = Path(__file__).parents[2]
SECURITY = REPOSITORY / "docs" / "executor" / "fargate-security.rst"
README = REPOSITORY / "README.md"
#: What AWS asks for beside the action of the call's own name.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/security-iam-roles.html
PASS_ROLE = "iam:PassRole"
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/supported-iam-actions-tagging.html
TAG = "ecs:TagResource"
#: For what AWS takes neither a resource nor a condition that would fit.
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
NO_RESOURCE = ("ecs:DescribeTaskDefinition",)


@pytest.fixture
def calls(monkeypatch):
    """Return the calls that any client makes from now on: service, operation, parameters; as botocore tells of them."""
    made = []
    create_client = Session.create_client

    def note(params, model, **_):
        made.append((model.service_model.service_name, model.name, json.loads(params["body"] or "{}")))

    def create(self, *arguments, **options):
        client = create_client(self, *arguments, **options)
        client.meta.events.register("before-call", note)
        return client

    monkeypatch.setattr(Session, "create_client", create)
    return made


def blocks(path, language):
    """Return the JSON in a document: blocks of a language that begin with a brace."""
    text = path.read_text()
    if language == "md":
        found = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    else:
        found = re.findall(r"\.\. code-block:: json\n\n(.*?)(?=\n\S|\Z)", text, re.DOTALL)
    return [json.loads(block) for block in found]


def actions(statements):
    """Return the actions of a policy's statements."""
    found = [statement["Action"] for statement in statements]
    return {action for one in found for action in ([one] if isinstance(one, str) else one)}


def derived(calls):
    """Return the actions that AWS asks for with these calls."""
    asked = {f"{service}:{operation}" for service, operation, _ in calls}
    if "ecs:RunTask" in asked:
        asked.add(PASS_ROLE)  # Of the roles that the task definition names.
    if any(params.get("tags") for _, _, params in calls):
        asked.add(TAG)
    return asked


def lead_a_life(fargate, start, calls):
    """Run, stop, search, adopt, fail and read logs: everything for which the executor calls AWS."""
    fargate.adjust(pretend={"duration": 2, "exit_codes": 1})
    first = start()
    keys = [make_key("ends"), make_key("is_revoked"), make_key("is_adopted")]
    for key in keys:
        first.queue(key, None)
    first.until(lambda: len(fargate.tasks()) == len(keys))
    first.until(lambda: len(first.executor.debug_state()["launches"]) == len(keys))
    first.executor.revoke_task(ti=task_instance(keys[1]))
    first.until(lambda: any(task["desiredStatus"] == "STOPPED" for task in fargate.tasks()))
    first.executor.end()
    second = start()
    adopt(second.executor, [make_candidate(key, time.time() - 60) for key in keys])
    second.until(lambda: len(second.ends) >= 2)
    second.until(lambda: "logs:GetLogEvents" in derived(calls))


def statements(*sids):
    """Return the statements of the full policy with these names; all, where none are named."""
    (policy,) = blocks(SECURITY, "rst")
    return [statement for statement in policy["Statement"] if not sids or statement["Sid"] in sids]


@pytest.mark.parametrize("tag_tasks", ["True", "False"])
def test_the_policy_allows_what_is_called_and_no_more(fargate, calls, start, monkeypatch, tag_tasks):
    """Each action of the policy is asked for by a call of the executor, and each call is allowed."""
    monkeypatch.setenv("AIRFLOW__FARGATE__TAG_TASKS", tag_tasks)
    lead_a_life(fargate, start, calls)
    assert derived(calls) == actions(statements()) - ({TAG} if tag_tasks == "False" else set())
    clusters = [params["cluster"] for _, _, params in calls if "cluster" in params]
    assert {cluster.rpartition("/")[2] for cluster in clusters} == {fargate.told["cluster"]}


def test_the_api_server_needs_no_more_than_it_is_said_to(fargate, calls, start):
    """What shows a running task's log makes three calls, for which two statements and one action are enough."""
    fargate.adjust(pretend={"duration": 60})
    scheduler = start()
    scheduler.queue(make_key("runs"), None)
    scheduler.until(lambda: [task for task in fargate.tasks() if task["lastStatus"] == "RUNNING"])
    (task,) = fargate.tasks()
    calls.clear()
    read_log(task["taskArn"])
    mine = {f"{service}:{operation}" for service, operation, params in calls if params.get("cluster") is None}
    assert mine == actions(statements("FindLogs", "ReadLogs"))
    text = " ".join(SECURITY.read_text().split())
    assert "needs ``ecs:DescribeTasks`` and the statements ``FindLogs`` and ``ReadLogs``" in text


def test_there_is_one_policy():
    """The first steps send a reader to the full policy, and have none of their own that could differ."""
    assert [block for block in blocks(README, "md") if "Statement" in block] == []
    assert f"]({SECURITY.relative_to(REPOSITORY).as_posix()}#permissions)" in README.read_text(
        encoding="utf-8"
    )
    (policy,) = blocks(SECURITY, "rst")
    assert TAG in actions(policy["Statement"])


def test_nothing_is_allowed_everywhere():
    """Each statement is for the cluster, the task definition, or the roles; where AWS takes no resource, a condition is."""
    (policy,) = blocks(SECURITY, "rst")
    for statement in policy["Statement"]:
        assert "*" not in str(statement["Action"])
        if statement["Resource"] == "*" and statement["Action"] not in NO_RESOURCE:
            assert "ecs:cluster" in str(statement["Condition"])

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
"""The command line asks for the permissions that the documentation tells the user to give."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from airflow.executors.fargate.cli.asking import Answer
from airflow.executors.fargate.cli.check.airflow_facts import AirflowFacts
from airflow.executors.fargate.cli.check.all_checks import ASKS
from airflow.executors.fargate.cli.check.checks import check_permissions
from airflow.executors.fargate.cli.check.facts import Facts

from tests.deeper.cli.check.test_checks import container

PAGES = Path(__file__).parents[2] / "docs" / "executor"
#: The page about the check.
CHECK = "fargate-check.rst"
#: What the check asks ECS and CloudWatch Logs for, and the executor does not.
BESIDE = {"ecs:DescribeClusters", "logs:DescribeLogStreams"}
NOBODY = Answer(error="NoCredentialsError")


def policy_actions(page="fargate-security.rst"):
    """Return the actions of a page's policy, which is that of the scheduler's role on this one."""
    text = (PAGES / page).read_text(encoding="utf-8")
    blocks = re.findall(r"\.\. code-block:: json\n\n(.*?)(?=\n\S|\Z)", text, re.DOTALL)
    found = [statement["Action"] for statement in json.loads(blocks[0])["Statement"]]
    return sorted(action for one in found for action in ([one] if isinstance(one, str) else one))


def test_check_has_a_row_for_each_permission():
    """The rows are the actions of the policy, each once, also where nothing could be asked."""
    facts = Facts(
        region="us-east-1",
        request={},
        container="",
        refusal="none can be made",
        caller=NOBODY,
        cluster=NOBODY,
        list_tasks={"airflow": NOBODY},
        describe_tasks={"airflow": NOBODY},
        task_definition=None,
    )
    assert sorted(row.check for row in check_permissions(facts)) == policy_actions()


def test_the_check_s_policy_has_what_it_asks():
    """Each call of its own has its action, and there is no other; its table of checks has them all."""
    source = "arn:aws:{}:us-east-1:123456789012:{}:name"
    secrets = [source.format(*one) for one in (("secretsmanager", "secret"), ("ssm", "parameter"))]
    facts = container(secrets=[{"name": "A", "valueFrom": one} for one in secrets])
    facts = replace(facts, airflow=AirflowFacts(remote_logging=True, log_folder="s3://logs"))
    asked = {one.action for asks in ASKS for one in asks(facts)}
    assert sorted(asked | BESIDE) == policy_actions(CHECK)
    text = (PAGES / CHECK).read_text(encoding="utf-8")
    assert [action for action in policy_actions(CHECK) if f"``{action}``" not in text] == []


def test_the_page_shows_them_all():
    """Each of the two tables of the command has a row for each permission."""
    text = (PAGES / CHECK).read_text(encoding="utf-8")
    rows = re.findall(r"^    [✓✗!?] +\| ((?:ecs|iam|logs):\w+) ", text, re.MULTILINE)
    assert sorted(rows) == sorted(policy_actions() * 2)

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
"""The buttons that lead to a task instance's ECS task in the AWS console."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.notes import ecs_task_text, launched_text
from airflow.executors.fargate.ui.links import FargatePlugin

from tests.deeper.bridge.test_notes_table import KEY, database

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/fleet/{}"
PAGE = "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/fleet/tasks/{}/{}?region=eu-west-1"


def launched(ecs_task, attempt=1):
    return launched_text(attempt, ecs_task_text(ARN.format(ecs_task), "fleet", "airflow:7", "airflow"))


def links():
    """Return what each button leads to."""
    return {
        button.name: button.get_link(None, ti_key=KEY) for button in FargatePlugin.global_operator_extra_links
    }


@pytest.mark.parametrize(
    ("texts", "ecs_task"),
    [
        ([launched("a"), "Stopped."], "a"),
        ([launched("a"), "Attempt 1 of 3; launching again.", launched("b", attempt=2)], "b"),
        ([launched("a"), launched("a", attempt=0)], "a"),
        # A deferred task instance waits for its next ECS task.
        ([launched("a"), "Waiting for capacity."], "a"),
        # None has started, or another executor runs it.
        (["Waiting for capacity."], None),
        ([], None),
        # A partition whose console is not known.
        ([launched("a").replace("arn:aws:", "arn:aws-iso:")], None),
    ],
)
def test_they_lead_to_the_last_ecs_task_of_the_try(database, texts, ecs_task):
    """To its page, and to the page's tab with the log; there is no link where no note names one."""
    for text in texts:
        database.note(text)
    database.note(launched("other"), KEY.with_try_number(1))
    tabs = {"ECS task": "configuration", "ECS task log": "logs"}
    expected = {name: PAGE.format(ecs_task, tab) if ecs_task else "" for name, tab in tabs.items()}
    assert links() == expected


def test_a_database_that_fails_takes_no_other_button_away(database, caplog):
    """Airflow asks for all links of a task instance at once; the reason is logged."""
    database.session.connection().exec_driver_sql("DROP TABLE log")
    assert set(links().values()) == {""}
    assert "no such table: log" in caplog.text

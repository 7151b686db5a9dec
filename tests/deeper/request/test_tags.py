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
"""The tags that say what an ECS task runs."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.launch import CallbackId, Launch, TaskInstanceId
from airflow.executors.fargate.request.tags import MAX_TAGS, MAX_VALUE, own_tags, tag_value, with_own_tags
from airflow.executors.fargate.request.validation import find_mistakes

TASK = TaskInstanceId("dag", "group.task", "manual__2026-11-22T00:00:00+00:00", 2, 7, "its UUID")


def by_key(tags):
    return {tag["key"]: tag["value"] for tag in tags}


def test_tags_of_a_task_instance():
    """They are its members without the UUID, by which no one reads costs, and the deployment."""
    assert by_key(own_tags(Launch(TASK, TASK), "airflow/prod")) == {
        "airflow:dag_id": "dag",
        "airflow:task_id": "group.task",
        "airflow:run_id": "manual__2026-11-22T00:00:00+00:00",
        "airflow:try_number": "2",
        "airflow:map_index": "7",
        "airflow:deployment": "airflow/prod",
    }


def test_tags_of_a_callback():
    """A callback has no task and no run."""
    callback = CallbackId("5c6e", "dag")
    assert by_key(own_tags(Launch(callback, callback), "airflow")) == {
        "airflow:callback_id": "5c6e",
        "airflow:dag_id": "dag",
        "airflow:deployment": "airflow",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("задача данных 任务 ملف", "задача данных 任务 ملف"),
        ("a_.:/=+-@ b", "a_.:/=+-@ b"),
        ('it\'s "quoted", (twice)', "it_s _quoted__ _twice_"),
        ("new\nline\ttab\x00nul", "new_line_tab_nul"),
        ("😀", "_"),
        ("\ud800", "_"),
        ("aws:mine", "_aws:mine"),
        ("AWS:mine", "_AWS:mine"),
        ("r" * 300, "r" * MAX_VALUE),
        ("r" + "𐌀" * 300, "r" + "𐌀" * 127),
        ("aws:" + "r" * 300, "_aws:" + "r" * 251),
    ],
    ids=ascii,
)
def test_a_value_is_one_that_aws_accepts(text, value, service_model):
    """Other characters are replaced, and a long text is cut; the check of requests accepts the result."""
    assert tag_value(text) == value
    assert find_mistakes({"taskDefinition": "a", "tags": [{"key": "k", "value": value}]}) == []


def test_a_users_tag_of_the_same_key_wins():
    """The executor's tag with that key is left out."""
    own = [{"key": "airflow:dag_id", "value": "ours"}, {"key": "airflow:run_id", "value": "ours"}]
    users = [{"key": "airflow:dag_id", "value": "theirs"}]
    assert with_own_tags({"tags": users}, own)["tags"] == [users[0], own[1]]


@pytest.mark.parametrize("number", [0, 45, 51])
def test_there_are_not_more_than_aws_accepts(number):
    """All of the user's tags stay; the executor's own are added up to the limit."""
    own = own_tags(Launch(TASK, TASK), "airflow")
    users = [{"key": str(n), "value": ""} for n in range(number)]
    tags = with_own_tags({"tags": users}, own)["tags"]
    assert tags[:number] == users
    assert tags[number:] == own[: max(0, MAX_TAGS - number)]


@pytest.mark.parametrize("tags", [None, ["team"]])
def test_what_is_no_list_of_tags_is_unchanged(tags):
    """The check refuses it with a message."""
    assert with_own_tags({"tags": tags}, own_tags(Launch(TASK, TASK), "airflow")) == {"tags": tags}

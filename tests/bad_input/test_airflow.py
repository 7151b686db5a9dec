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
"""What Airflow itself refuses or changes before an executor meets it: the table says so, and here it does."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from tools.documentation.hints import FILE
from tools.documentation.snippets import read

from airflow import policies
from airflow.exceptions import AirflowClusterPolicyViolation

from tests.bad_input import table as bad_input

try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:  # 2.11
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG

try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:  # before 3.2
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization


class Shy:
    """Cannot be shown."""

    def __str__(self):
        raise RuntimeError("not to be shown")

    __repr__ = __str__


def cyclic():
    wish = {}
    wish["overrides"] = wish
    return wish


def deep(levels):
    wish = {}
    for _ in range(levels):
        wish = {"overrides": wish}
    return wish


def as_stored(dag_id="dag", task_id="task", executor_config=None):
    """Return the executor_config of a task as the scheduler reads it from the database."""
    with DAG(dag_id, schedule=None) as dag:
        BaseOperator(task_id=task_id, executor_config=executor_config)
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    return DagSerialization.from_dict(stored).get_task(task_id).executor_config


@pytest.mark.parametrize("row", bad_input.REFUSED_BY_AIRFLOW, ids=lambda row: row.given)
def test_airflow_refuses(row):
    """Reading the DAG's file fails, which the UI shows as an import error; no executor ever meets it."""
    name, _, expression = row.given.partition(" = ")
    with pytest.raises(Exception, match=row.says):
        as_stored(**{name: eval(expression)})


@pytest.mark.parametrize("row", bad_input.CHANGED_BY_AIRFLOW, ids=lambda row: row.given)
def test_airflow_changes(row):
    """Keys that are no strings, and bytes, become strings in the database."""
    assert as_stored(executor_config=eval(row.given)) == eval(row.says)


@pytest.fixture(scope="module")
def task_policy():
    """The policy that the page about troubleshooting shows."""
    [shown] = [snippet for snippet in read(FILE) if "def task_policy" in snippet.text]
    names = {}
    exec(shown.text, names)
    return names["task_policy"]


@pytest.mark.parametrize("row", bad_input.NO_DICTS, ids=lambda row: row.given)
def test_a_policy_keeps_it_from_the_scheduler(row, task_policy):
    """A task whose executor_config is no dict is refused when its file is read; others are not."""
    with pytest.raises(AirflowClusterPolicyViolation, match="the_task"):
        task_policy(SimpleNamespace(task_id="the_task", executor_config=eval(row.given)))
    task_policy(BaseOperator(task_id="the_task"))
    assert callable(policies.task_policy)

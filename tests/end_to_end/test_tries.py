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
"""What the log of a try shows, by the REST API: of a task that was killed, never started, was retried, deferred, or runs."""

from __future__ import annotations

import pytest
from tools.harness.tries import DAG_ID, SHOWN, Shown, Tries

RUN_ID = "tries"


@pytest.fixture(scope="module")
def api(shared_deployment):
    """Return Airflow's REST API while one task of the run runs, and all others have ended."""
    shared_deployment.fargate.reset()
    shared_deployment.airflow.revive()
    shared_deployment.airflow.add_user()
    tries = Tries(shared_deployment, RUN_ID)
    tries.begin()
    yield shared_deployment.airflow.api
    tries.end()


# What runs comes last once more: what it has shown stands there still, and none of it twice.
@pytest.mark.parametrize("shown", [*SHOWN, SHOWN[0]], ids=lambda shown: f"{shown.task_id}-{shown.try_number}")
def test_the_log_of_a_try_has_its_lines_and_what_the_executor_knows(api, shown):
    """Each line and each note stands in the log once, in the order in which it happened."""
    shown.check(lambda: api.log(DAG_ID, RUN_ID, shown.task_id, shown.try_number))


@pytest.mark.parametrize(
    ("log", "wrong"),
    [
        ("begins, works, ends", None),
        ("begins, begins, works, ends", "'begins': 2 times, not 1"),
        ("begins, ends", "'works': 0 times, not 1"),
        ("works, begins, ends", "'works' comes too early"),
        ("begins, works, ends, of another try", "'of another try': 1 times, not 0"),
    ],
)
def test_what_is_wrong_with_a_log_is_told(log, wrong):
    shown = Shown("task", 1, ("begins", "works", "ends"), ("of another try",))
    assert shown.wrong_with(log) == ([wrong] if wrong else [])

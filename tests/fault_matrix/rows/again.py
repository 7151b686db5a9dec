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
"""Airflow launches the same try of a task instance again while its earlier ECS task is still stopping."""

from __future__ import annotations

from tests.fault_matrix.row import Expected, Row, Step

#: Half of the ECS tasks fail, so that a launch that is reported with the other's end is certain to be
#: noticed.
HALF = {"0": 1, "3": 1}
LATEST = "Each launch has its own ECS task. The end of the earlier ECS task is ignored."

ROWS = (
    Row(
        "again-deferred",
        "A task defers and resumes while its first ECS task is still ending",
        LATEST,
        settings={"pretend": {"duration": [10, 40], "exit_codes": HALF}},
        procedure="deferred",
        seconds=180,
    ),
    Row(
        "again-rescheduled",
        "A sensor reschedules itself, and is launched again when its first ECS task has just ended",
        LATEST,
        settings={"stopping_time": [5, 15], "pretend": {"duration": [5, 15], "exit_codes": HALF}},
        procedure="rescheduled",
        seconds=180,
    ),
    Row(
        "again-requeued",
        "Airflow takes back a task that is stuck in queued, and queues it again",
        "The first ECS task is stopped. The second launch has an ECS task of its own.",
        Expected(),
        settings={"provisioning_time": 40, "pretend": {"duration": [5, 15], "exit_codes": HALF}},
        steps=(Step(14, {"provisioning_time": [2, 6]}),),
        procedure="requeued",
        seconds=180,
    ),
)

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
"""A Dag that misses its deadline at once, twice: one callback works, and one does not."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, DeadlineAlert, DeadlineReference, task
from airflow.sdk.definitions.callback import SyncCallback


def alert(name):
    callback = SyncCallback(f"callbacks.{name}", kwargs={"text": "too late"})
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=0), callback=callback
    )


with DAG(
    "misses_deadlines",
    schedule=None,
    start_date=datetime(2024, 1, 1),
    deadline=[alert("works"), alert("fails")],
):

    @task
    def work() -> None:
        pass

    work()

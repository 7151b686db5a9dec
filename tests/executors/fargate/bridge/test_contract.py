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
"""What Airflow gives and expects, by what the installed release does."""

from __future__ import annotations

from uuid import UUID

import pytest

from airflow.executors.fargate.bridge import AIRFLOW, Base
from airflow.executors.fargate.launch import TaskInstanceId
from airflow.models.connection import Connection
from airflow.models.taskinstance import TaskInstance


@pytest.mark.parametrize("length", [250, 251])
def test_an_arn_is_told_if_airflow_s_column_takes_it(length):
    """The number that is written down for older releases is that of the installed one's own model."""
    column, executor = TaskInstance.__table__.columns["external_executor_id"], Base()
    executor.running_state(
        key := AIRFLOW.key_of(TaskInstanceId("dag", "task", "run", 1, uuid=str(UUID(int=1)))), "a" * length
    )
    fits = column.type.length is None or length <= column.type.length
    assert executor.event_buffer[key][1] == ("a" * length if fits else None)


# Airflow's own test plugin takes the masker out of all other tests.
@pytest.mark.enable_redact
def test_what_airflow_masks_is_masked():
    """A password is a secret as soon as Airflow has made a connection of it: it is hidden as in Airflow's own logs."""
    Connection(conn_id="any", conn_type="aws", login="nobody", password="abracadabra-abracadabra")
    told = AIRFLOW.mask_secrets("nobody said abracadabra-abracadabra, twice: abracadabra-abracadabra")
    assert told == "nobody said ***, twice: ***"


def test_without_airflow_s_masker_no_text_is_returned(monkeypatch):
    """In a release that has it elsewhere no text comes out with its secrets in it, but an error."""
    monkeypatch.setattr(AIRFLOW, "secrets_masker", "airflow.no_such_masker")
    with pytest.raises(ImportError, match="airflow.no_such_masker"):
        AIRFLOW.mask_secrets("any")

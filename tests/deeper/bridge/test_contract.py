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

import pytest

from airflow.executors.fargate.bridge import AIRFLOW
from airflow.models.connection import Connection


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


def test_where_nothing_takes_metrics_none_are_sent(monkeypatch):
    """A release that has it elsewhere would end with the error."""
    monkeypatch.setattr(AIRFLOW, "stats_name", "no_such_name")
    assert AIRFLOW.stats().incr("fargate_executor.launches", 1, tags={}) is None

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
"""Which file of ``bridge/older/`` an Airflow takes."""

from __future__ import annotations

import pytest

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.bridge import AIRFLOW, Base, contract, older
from airflow.version import version


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("2.11.2", "airflow_2_11"),
        ("3.0.6", "airflow_3_0"),
        ("3.1.8rc1", "airflow_3_1"),
        ("3.2.0.dev0", "airflow_3_2"),
        ("3.3.2", "airflow_3_3"),
        ("3.4.0b2", None),
        ("3.10.0", None),
        ("4.0.0.dev0", None),
    ],
)
def test_a_line_has_its_own_file_and_whatever_is_newer_has_none(monkeypatch, version, line):
    """What is newer than the newest known is taken for that."""
    monkeypatch.setattr(older, "version", version)
    imported = []
    monkeypatch.setattr(older.importlib, "import_module", imported.append)
    older.module_for_this_airflow()
    assert imported == ([] if line is None else [f"{older.__name__}.{line}"])


def test_on_the_newest_line_there_is_nothing_between_airflow_and_the_executor():
    """On others there is the class of the line."""
    line = older.module_for_this_airflow()
    assert (line is None) is not version.startswith(("2.", "3.0.", "3.1.", "3.2.", "3.3."))
    assert Base is (BaseExecutor if line is None else line.Base)
    assert type(AIRFLOW) is (contract.Contract if line is None else line.Contract)

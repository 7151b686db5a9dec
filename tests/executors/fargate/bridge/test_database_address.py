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

from __future__ import annotations

import re

import pytest
from sqlalchemy.engine import make_url

from airflow.executors.fargate.bridge.database_address import LENGTH, address_hash


@pytest.mark.parametrize(
    ("url", "other", "are_one"),
    [
        ("postgresql://host:5432/airflow", "postgresql://host:5432/airflow", True),
        # What is not its address: who logs in, with what driver, and how.
        ("postgresql://me:a@host:5432/airflow", "postgresql+psycopg2://you:b@host:5432/airflow", True),
        ("postgresql://host/airflow?sslmode=require", "postgresql://host/airflow", True),
        # The same address, written otherwise.
        ("postgresql://host/airflow", "postgresql://HOST:5432/airflow", True),
        ("mysql+mysqldb://host/airflow", "mysql://host:3306/airflow", True),
        ("postgresql:///airflow?host=/run/a", "postgresql://@/airflow?host=/run/a", True),
        ("postgresql://host:5432/airflow", "postgresql://host2:5432/airflow", False),
        ("postgresql://host:5432/airflow", "postgresql://host:5433/airflow", False),
        ("postgresql://host:5432/airflow", "postgresql://host:5432/airflow2", False),
        ("postgresql://host:5432/airflow", "postgresql://host:5432/Airflow", False),
        ("postgresql:///airflow?host=/run/a", "postgresql:///airflow?host=/run/b", False),
        ("postgresql:///airflow?host=a&port=1", "postgresql:///airflow?host=a&port=2", False),
        ("postgresql:///airflow?host=a&host=b", "postgresql:///airflow?host=a&host=c", False),
        ("sqlite:////a/airflow.db", "sqlite:////a/airflow.db", True),
        ("sqlite:////a/airflow.db", "sqlite:////b/airflow.db", False),
    ],
)
def test_a_database_is_known_by_host_port_and_name(url, other, are_one):
    """A clone has another host or name than its origin; who logs in, and how, makes no other database."""
    first, second = (address_hash(make_url(text)) for text in (url, other))
    assert (first == second) is are_one
    assert re.fullmatch(f"[0-9a-f]{{{LENGTH}}}", first)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_has_no_address(url):
    """Nothing distinguishes it from another one."""
    assert address_hash(make_url(url)) is None

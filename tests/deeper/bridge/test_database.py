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
"""More on what ``test_database.py`` tests."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from types import SimpleNamespace
from unittest import mock

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url
from sqlalchemy.orm import lazyload

from airflow.executors.fargate.bridge import (
    database,
    lookups,
    orphan_lookup,
)
from airflow.executors.fargate.launch import CallbackId
from airflow.models.taskinstance import TaskInstance
from airflow.utils import session as airflow_session

from tests.executors.fargate.test_database import (
    ARN,
    GONE,
    LIVING,
    MAP_INDEX,
    OWN,
    QUEUED_AT,
    SILENT,
    Metadata,
    candidate,
    ids,
    metadata,
    other_ecs_task,
)


@pytest.mark.parametrize("queued_by", [None, 99])
def test_a_scheduler_of_which_no_job_is_left_has_no_name(metadata, queued_by):
    """Its task instances are candidates all the same."""
    metadata.store(0, queued_by_job_id=queued_by)
    tis = metadata.session.scalars(select(TaskInstance).options(lazyload("*"))).all()
    (candidate,) = database.candidates(tis)
    assert (candidate.queued_by, candidate.scheduler) == (queued_by, None)


@pytest.mark.parametrize(
    ("heartbeat", "ended", "sent_until"),
    [
        # Killed: it sends nothing once its heartbeats are older than the threshold.
        (QUEUED_AT, None, QUEUED_AT + timedelta(seconds=45)),
        (QUEUED_AT, QUEUED_AT + timedelta(seconds=3), QUEUED_AT + timedelta(seconds=3)),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("state", ["running", "failed"])
def test_a_candidate_says_until_when_its_scheduler_can_have_launched(
    metadata, monkeypatch, heartbeat, ended, sent_until, state
):
    """A scheduler that ended by itself has an end in the database, whatever another one wrote there of its state."""
    monkeypatch.setenv("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD", "45")
    metadata.add_job(77, state, heartbeat, end_date=ended)
    metadata.store(0, queued_by_job_id=77)
    tis = metadata.session.scalars(select(TaskInstance).options(lazyload("*"))).all()
    (candidate,) = database.candidates(tis)
    assert candidate.sent_until == (sent_until and sent_until.timestamp())


def test_the_own_database_is_known_without_a_query(metadata, monkeypatch):
    """It is the one of Airflow's own sessions."""
    monkeypatch.setattr(database, "address_hash", lambda url: url)
    assert database.own_address_hash() is metadata.engine.url
    assert metadata.statements == []


@pytest.mark.parametrize(
    ("url", "other", "are_one"),
    [
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
        ("sqlite:////a/airflow.db", "sqlite:////b/airflow.db", False),
    ],
)
def test_a_database_is_known_by_host_port_and_name(url, other, are_one):
    """A clone has another host or name than its origin; who logs in, and how, makes no other database."""
    first, second = (database.address_hash(make_url(text)) for text in (url, other))
    assert (first == second) is are_one
    assert re.fullmatch(f"[0-9a-f]{{{database.HASH_LENGTH}}}", first)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_has_no_address(url):
    """Nothing distinguishes it from another one."""
    assert database.address_hash(make_url(url)) is None


def test_a_scheduler_is_named_by_its_job_and_when_that_began(metadata):
    """So a job of the same number in another Airflow has another name."""
    assert database.scheduler_name(OWN) == metadata.name(OWN)
    assert len({metadata.name(number) for number in metadata.began}) == len(metadata.began)


@pytest.mark.parametrize("job_id", [None, "manual", 99])
def test_without_a_job_there_is_no_name(metadata, job_id):
    """An executor outside of a scheduler names none; so its ECS tasks are never orphaned."""
    assert database.scheduler_name(job_id) is None


def test_one_odd_name_hides_no_other(metadata):
    """Whatever the scheduler is called in one ECS task, the others are compared."""
    odd = [other_ecs_task(name) for name in ("9" * 5000 + "@1.0", "nul\0@1.0", "half\ud800@1.0")]
    assert orphan_lookup.find_orphans([*odd, other_ecs_task(metadata.name(GONE), 1)], None) == [ARN.format(1)]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain\ttext\nin lines \N{ROCKET}", "plain\ttext\nin lines \N{ROCKET}"),
        ("nul\x00", "nul\N{REPLACEMENT CHARACTER}"),
        ("half\ud800", "half?"),
        ("\x1b[31mred\x1b[0m", "red"),
    ],
)
def test_whatever_is_reported_can_be_stored(text, stored):
    """What a database refuses would end the scheduler, which stores reasons unguarded."""
    assert database.storable(text) == stored


@pytest.mark.parametrize(
    ("scheduler", "its", "warned"),
    [
        (GONE, "there", True),
        (OWN, "there", True),
        # Another Airflow's under the same name, which no scheduler here has launched; and what is no other database's.
        (None, "there", False),
        (GONE, "here", False),
        (GONE, None, False),
    ],
)
def test_another_database_is_warned_of_once(metadata, monkeypatch, scheduler, its, warned):
    """One warning names the option and both cases, however often such ECS tasks are met."""
    orphan_lookup.warn_of_another_database.cache_clear()
    monkeypatch.setattr(database, "address_hash", lambda url: "here")
    name = metadata.name(scheduler) if scheduler else "9@9.000000"
    other_ecs_tasks = [other_ecs_task(name, number, database=its) for number in range(3)]
    with mock.patch.object(orphan_lookup, "log", autospec=True) as log:
        for _ in range(3):
            orphan_lookup.find_orphans(other_ecs_tasks, metadata.name(OWN))
    told = [call.args[0] for call in log.warning.call_args_list]
    assert [all(word in text for word in ("[fargate] deployment", "copy", "host")) for text in told] == [
        True
    ] * warned


def test_a_callback_is_never_orphaned(metadata):
    """The database does not say so, and no task instance is mistaken for it."""
    identity = dataclasses.replace(other_ecs_task(metadata.name(GONE)).identity, task=CallbackId("id", "dag"))
    callback = dataclasses.replace(other_ecs_task(metadata.name(GONE)), identity=identity)
    assert orphan_lookup.find_orphans([callback], None) == []


def test_few_queries_compare_many_ecs_tasks(metadata):
    """One for the schedulers, and one for each two hundred task instances; none for those of living schedulers."""
    many = [other_ecs_task(metadata.name(GONE), number) for number in range(450)]
    others = [other_ecs_task(metadata.name(LIVING), number) for number in range(450, 2000)]
    assert len(orphan_lookup.find_orphans(many + others, None)) == 450
    assert len(metadata.statements) == 1 + 3


@pytest.mark.parametrize("error", [ValueError, OverflowError, RuntimeError, TypeError])
def test_an_error_that_is_none_of_the_database_s_ends_no_scheduler(monkeypatch, caplog, error):
    """A driver raises what it likes for a value that it does not take; one line names the error, and no value."""

    def fail():
        raise error("sesame-open")

    monkeypatch.setattr(airflow_session.settings, "Session", fail)
    assert orphan_lookup.find_orphans([other_ecs_task("3@1.0")], None) == []
    assert database.rows(ids(0)) is None
    database.hand_back([candidate()], OWN)
    told = [record.getMessage() for record in caplog.records if record.name == database.__name__]
    assert [line.rpartition(": ")[2] for line in told] == [error.__name__] * 3


@pytest.mark.parametrize(("count", "queries"), [(0, 0), (1, 1), (200, 1), (450, 3)])
def test_few_queries_read_many_rows(metadata, count, queries):
    """One for each two hundred."""
    for number in range(count):
        metadata.store(number)
    assert len(database.rows(ids(*range(count))) or ()) == count
    assert len(metadata.statements) == queries


@pytest.mark.parametrize("count", [1, 200])
def test_postgresql_is_given_arrays(count):
    """It would plan a list of rows for longer than it takes to read them; four parameters name any number of them."""
    asked = mock.Mock(spec=["get_bind"])
    asked.get_bind.return_value = SimpleNamespace(dialect=postgresql.dialect())
    condition = database.is_one_of(ids(*range(count)), asked)
    compiled = condition.compile(dialect=postgresql.dialect())
    assert "unnest(" in str(compiled)
    assert [len(values) for values in compiled.params.values()] == [count] * 4


def test_a_heartbeat_looks_up_what_one_query_reads():
    """No more than that, and no less."""
    assert lookups.BATCH == database.MAX_NAMED

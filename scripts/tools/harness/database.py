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
"""What Airflow's database says of a DAG run; asked directly, since that costs next to nothing on any release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import create_engine, inspect, text

#: The map index, what tells rows with equal coordinates apart, and which rows are those of the present tries, from 3.4 on: each
#: try has a row of its own there, and a row of a loop or of a mapped task has its index in a region.
REGIONAL = (
    "CASE WHEN region_id = '00000000-0000-0000-0000-000000000000' OR EXISTS"
    " (SELECT 1 FROM dynamic_region AS region WHERE region.id = region_id AND region.node_id = task_id)"
    " THEN region_index ELSE -1 END"
)
APART = "CAST(id AS text) AS uuid, CAST(region_id AS text) AS region"
PRESENT = " AND working_set"


@dataclass(frozen=True)
class TaskInstance:
    """A task instance as it stands now."""

    task_id: str
    map_index: int
    state: str
    try_number: int
    queued: datetime | None
    """When it was last handed to the executor."""
    external_id: str | None = None
    """What is stored of its container."""
    uuid: str | None = None
    """Of its row, from 3.4 on."""
    region: str | None = None
    """The id of its region, which differs from one pass of a loop to the next, from 3.4 on."""

    @property
    def name(self) -> str:
        """The task's id, with the map index where it is mapped."""
        return task_name(self.task_id, self.map_index)


def task_name(task_id: str, map_index: int) -> str:
    """Return a task's id, with the map index where it is mapped."""
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


class Database:
    """Read access to Airflow's tables, locks on them, and moments moved into the past so that nobody has to wait."""

    def __init__(self, uri: str) -> None:
        self._engine = create_engine(uri)

    @cached_property
    def _has_regions(self) -> bool:
        """Whether this is 3.4 or newer."""
        return inspect(self._engine).has_table("dynamic_region")

    def has_dag(self, dag_id: str) -> bool:
        """Say whether the DAG processor has read the DAG."""
        return bool(self._rows("SELECT 1 FROM serialized_dag WHERE dag_id = :dag_id", dag_id=dag_id))

    def import_errors(self) -> list[str]:
        """Return what went wrong with DAG files."""
        return [row.stacktrace for row in self._rows("SELECT stacktrace FROM import_error")]

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a DAG run, None where there is none."""
        select = "SELECT state FROM dag_run WHERE dag_id = :dag_id AND run_id = :run_id"
        rows = self._rows(select, dag_id=dag_id, run_id=run_id)
        return rows[0].state if rows else None

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a DAG run, in order of their names."""
        if self._has_regions:
            map_index, apart, present = REGIONAL, APART, PRESENT
        else:
            map_index, apart, present = "map_index", "NULL AS uuid, NULL AS region", ""
        rows = self._rows(
            f"SELECT task_id, {map_index} AS map_index, state, try_number, queued_dttm, external_executor_id,"
            f" {apart} FROM task_instance WHERE dag_id = :dag_id AND run_id = :run_id{present}",
            dag_id=dag_id,
            run_id=run_id,
        )
        task_instances = [
            TaskInstance(
                row.task_id,
                row.map_index,
                row.state or "none",
                row.try_number,
                row.queued_dttm,
                row.external_executor_id,
                row.uuid,
                row.region,
            )
            for row in rows
        ]
        return sorted(task_instances, key=lambda ti: (ti.task_id, ti.map_index))

    def durations(self, dag_id: str, run_id: str) -> dict[tuple[str, int], float]:
        """Return how long each try that has ended took by Airflow's record, in seconds, by name and try number."""
        if self._has_regions:
            tables = {"task_instance": REGIONAL}
        else:
            tables = {"task_instance": "map_index", "task_instance_history": "map_index"}
        selects = (
            f"SELECT task_id, {map_index} AS map_index, try_number, duration FROM {table}"
            " WHERE dag_id = :dag_id AND run_id = :run_id AND duration IS NOT NULL"
            for table, map_index in tables.items()
        )
        rows = self._rows(" UNION ".join(selects), dag_id=dag_id, run_id=run_id)
        return {(task_name(row.task_id, row.map_index), row.try_number): row.duration for row in rows}

    def events(self, dag_id: str, run_id: str, event: str, by: str = "task_id") -> dict[str, list[str]]:
        """
        Return what the event logs of a DAG run's tasks say under this name, by task or by another column.

        :param event: the name, where ``%`` stands for anything
        """
        found: dict[str, list[str]] = {}
        select = (
            f"SELECT CAST({by} AS text) AS name, extra FROM log"
            " WHERE dag_id = :dag_id AND run_id = :run_id AND event LIKE :event ORDER BY id"
        )
        for row in self._rows(select, dag_id=dag_id, run_id=run_id, event=event):
            found.setdefault(row.name, []).append(row.extra)
        return found

    def callbacks(self) -> dict[str, str]:
        """Return the states of the callbacks that executors execute, by their ids; 3.3 and newer."""
        return {str(row.id): row.state for row in self._rows("SELECT id, state FROM callback")}

    @contextmanager
    def locked(self, dag_id: str, run_id: str, task_id: str) -> Iterator[None]:
        """Hold the lock on a task instance's row, as another transaction would."""
        lock = text(
            "SELECT 1 FROM task_instance WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id"
            f"{PRESENT if self._has_regions else ''} FOR UPDATE"
        )
        with self._engine.connect() as connection:
            connection.execute(lock, {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}).one()
            yield

    def open_transactions(self) -> set[tuple[int, datetime]]:
        """Return the transactions that somebody else has begun and not ended, each with its begin."""
        select = (
            "SELECT pid, xact_start FROM pg_stat_activity"
            " WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        )
        return {(row.pid, row.xact_start) for row in self._rows(select)}

    def runs_under_way(self) -> list[tuple[str, str]]:
        """Return the DAG runs that have not ended, by DAG and run, but for those of DAGs that are paused."""
        select = (
            "SELECT dag_id, run_id FROM dag_run JOIN dag USING (dag_id)"
            " WHERE state IN ('queued', 'running') AND NOT is_paused"
        )
        return [(row.dag_id, row.run_id) for row in self._rows(select)]

    def fail_runs(self) -> None:
        """Let all that has not ended fail; for a time when no scheduler runs."""
        unfinished = (
            "state IS NULL OR state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')"
        )
        with self._engine.begin() as connection:
            connection.execute(text(f"UPDATE task_instance SET state = 'failed' WHERE {unfinished}"))
            connection.execute(text(f"UPDATE dag_run SET state = 'failed' WHERE {unfinished}"))

    def let_heartbeats_be_missed(self, dag_id: str, run_id: str) -> None:
        """Let the last heartbeat of what runs of a DAG run be long ago; Airflow 3."""
        self._move(
            "UPDATE task_instance SET last_heartbeat_at = last_heartbeat_at - interval '1 day'",
            dag_id,
            run_id,
        )

    def let_run_be_late(self, dag_id: str, run_id: str) -> None:
        """Let a DAG run have begun long ago."""
        self._move("UPDATE dag_run SET start_date = start_date - interval '1 day'", dag_id, run_id)

    def _move(self, update: str, dag_id: str, run_id: str) -> None:
        which = " WHERE dag_id = :dag_id AND run_id = :run_id AND state = 'running'"
        with self._engine.begin() as connection:
            connection.execute(text(update + which), {"dag_id": dag_id, "run_id": run_id})

    def _rows(self, select: str, **values: object) -> list:
        with self._engine.connect() as connection:
            return connection.execute(text(select), values).fetchall()

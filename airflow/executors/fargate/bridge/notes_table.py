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
"""Reads the notes of a task instance's try from Airflow's table ``log``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, or_, select

from airflow.executors.fargate import notes
from airflow.executors.fargate.bridge import AIRFLOW
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance as TI

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Typed as Any: it has no ``task_instance_id`` before Airflow 3.4.
LOG: Any = Log
#: What identifies a try, but for Airflow 3.4's loops.
TRY = ("dag_id", "task_id", "run_id", "map_index", "try_number")


class Note(NamedTuple):
    """A row of the table ``log``."""

    #: When the scheduler made it.
    dttm: datetime
    #: One of :data:`notes.EVENTS`.
    event: str
    text: str


def notes_of(ti: Any, session: Session) -> list[Note]:
    """
    Return our notes of one try, the oldest first.

    Up to Airflow 3.3 a try is known by its coordinates and its number. From 3.4 on its row has a UUID, by which it is
    looked up; notes without a UUID, such as those from before an upgrade, are found by the coordinates.

    :param ti: a row of the task instances or of their history, or a key.
    :return: empty if there are none, ``airflow db clean`` has removed them, or if from 3.4 on a key is that of
        several rows, as in a loop: it does not say which.
    """
    is_of_try = _is_of(LOG, ti)
    if AIRFLOW.has_uuids:
        rows = _rows_of(ti, session)
        if len(rows) > 1:
            return []
        is_of_try = or_(LOG.task_instance_id.in_(rows), and_(LOG.task_instance_id.is_(None), is_of_try))
    query = select(LOG.dttm, LOG.event, LOG.extra).where(is_of_try, LOG.event.in_(notes.EVENTS))
    found: Any = session.execute(query.order_by(LOG.dttm, LOG.id))
    return [Note(dttm, event, text or "") for dttm, event, text in found]


def _rows_of(ti: Any, session: Session) -> list[Any]:
    """Return the UUIDs of the rows of a try: one, unless ``ti`` is a key."""
    if uuid := getattr(ti, "id", None):
        return [uuid]
    # Airflow itself hides the rows of earlier tries.
    query = select(TI.id).where(_is_of(TI, ti)).execution_options(include_all_attempts=True)
    return list(session.scalars(query))


def _is_of(table: Any, ti: Any) -> Any:
    """Return the condition that a row of a table has the coordinates and the number of a try."""
    return and_(*(getattr(table, name) == getattr(ti, name) for name in TRY))

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
"""Parts of queries that name many task instances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Most task instances that one query names: with four values each, below the limit of parameters of every
#: database.
MAX_NAMED = 200


def without_try(task: Any) -> tuple[str, str, str, int]:
    """Return what identifies the row of a task instance, whatever its try is."""
    return task.dag_id, task.task_id, task.run_id, task.map_index


def is_one_of(tasks: Iterable[Any], session: Session) -> Any:
    """
    Return the condition that a row is that of one of these task instances.

    PostgreSQL plans a list of rows in a time that grows with its square: for 200 rows, ten times as long as
    it takes to read them. So it gets four arrays instead.
    """
    from sqlalchemy import tuple_

    from airflow.models.taskinstance import TaskInstance as TI

    keys = [without_try(task) for task in tasks]
    columns = tuple_(TI.dag_id, TI.task_id, TI.run_id, TI.map_index)
    if not keys or session.get_bind().dialect.name != "postgresql":
        return columns.in_(keys)
    return columns.in_(_unnested(keys))


def _unnested(keys: Sequence[tuple[str, str, str, int]]) -> Any:
    """Return a PostgreSQL query that makes rows of arrays."""
    from sqlalchemy import Integer, String, bindparam, func, select
    from sqlalchemy.dialects.postgresql import ARRAY

    types = (String, String, String, Integer)
    arrays = (bindparam(None, list(values), type_=ARRAY(of)) for values, of in zip(zip(*keys), types))
    listed = func.unnest(*arrays).table_valued("dag_id", "task_id", "run_id", "map_index").render_derived()
    return select(*listed.c)

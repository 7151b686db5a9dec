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
"""
Distinguishes metadata databases by their addresses, which are part of the identity of each launch.

A database can be cloned: the clone has the same schedulers, task instances and ids as its origin, and often
the same ``[fargate]`` options.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

log = logging.getLogger(__name__)

#: Ports of addresses that name none, by SQLAlchemy's names of the databases that Airflow supports.
DEFAULT_PORTS = {"postgresql": 5432, "mysql": 3306}
#: Characters of a hash: enough to distinguish databases, and few of the 8,192 that ECS allows for all
#: overrides.
LENGTH = 12


def address_hash(url: URL) -> str | None:
    """
    Return a hash of a metadata database's host, port and name, or of SQLite's path.

    It is written in the clear in the identity of each ECS task, so user and password are not part of it.

    :return: None for a database in memory, which has no address.
    """
    # libpq takes host and port from the query as well: several hosts, or the folder of a socket.
    # https://docs.sqlalchemy.org/en/20/dialects/postgresql.html#unix-domain-connections
    host = (url.host or _text(url.query.get("host"))).lower()
    port = url.port or _text(url.query.get("port")) or DEFAULT_PORTS.get(url.get_backend_name())
    if not host and url.database in (None, "", ":memory:"):
        return None
    return hashlib.sha256(f"{host}:{port}/{url.database}".encode()).hexdigest()[:LENGTH]


def _text(values: str | Sequence[str] | None) -> str:
    """Return a member of a URL's query, whether it is given once or several times."""
    return values if isinstance(values, str) else ",".join(values or ())


@cache
def warn_of_another_database() -> None:
    """Warn, once in a process, that this deployment has ECS tasks of another metadata database."""
    log.warning(
        "ECS tasks under this [fargate] deployment come from another metadata database. They are not adopted "
        "and not stopped, and their task instances are neither reset nor followed. If this database is a "
        "copy of another Airflow's, such as a clone for tests, give this Airflow a [fargate] deployment of "
        "its own. If the host, port or name of this database has changed, nothing need be done: the ECS tasks "
        "run to their end, and Airflow's own timeouts decide on those that fail."
    )

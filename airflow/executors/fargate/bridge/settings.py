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
"""The options and settings of Airflow that the executor reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf
from airflow.executors.fargate.config.template import SECTION, template
from airflow.executors.fargate.errors import ConfigError

if TYPE_CHECKING:
    from airflow.executors.fargate.bridge import Base

#: The executor whose options :func:`option_reader` reads without an argument, as in
#: ``execution_config_function``.
_current_executor: ContextVar[Base | None] = ContextVar("current_executor", default=None)


@contextmanager
def options_of(executor: Base) -> Iterator[None]:
    """
    Let :func:`option_reader` read the options of the executor's team, within a block or a decorated function.

    :raises ConfigError: with the mistakes in them, and the team's name.
    """
    team = executor.team_name
    token = _current_executor.set(executor)
    try:
        yield
    except ConfigError as error:
        if team is None:
            raise
        raise ConfigError([f"Team {team}: {mistake}" for mistake in error.mistakes]) from error
    finally:
        _current_executor.reset(token)


def option_reader(executor: Base | None = None) -> Callable[[str], str | None]:
    """
    Return a function from the name of an option of ``[fargate]`` to its text.

    Where this Airflow does not know the section, because the executor is named by its module path alone,
    defaults come from the template. An executor reads the configuration of its team.

    :param executor: whose configuration is read; None for that of :func:`options_of`.
    """
    source: Any = getattr(executor or _current_executor.get(), "conf", conf)
    return lambda name: source.get(SECTION, name, fallback=template()[name]["default"])


def sweep_interval() -> float:
    """Return the seconds between two searches for orphaned ECS tasks, which are those of Airflow's checks."""
    return float(conf.getfloat("scheduler", "orphaned_tasks_check_interval", fallback=300.0))


def health_check_threshold() -> timedelta:
    """Return how old the last heartbeat of a scheduler that lives is at most."""
    return timedelta(seconds=conf.getfloat("scheduler", "scheduler_health_check_threshold", fallback=30.0))


def lease() -> float:
    """
    Return the seconds after a heartbeat in which no other scheduler considers this one dead.

    Others do so after :func:`health_check_threshold`. Half of it is used: the last heartbeat of the
    scheduler's job is older than the executor's.
    """
    return health_check_threshold().total_seconds() / 2

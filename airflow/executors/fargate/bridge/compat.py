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
What differs between the releases of Airflow, and the options that it reads.

When support for a release ends, remove its constants here and what depends on them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from airflow.configuration import conf
from airflow.executors import base_executor
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.config.template import SECTION, template
from airflow.executors.fargate.errors import ConfigError

#: From 3.0 on the scheduler hands over workloads, before that commands.
HANDS_OVER_WORKLOADS = hasattr(BaseExecutor, "queue_workload")
#: From 3.1 on a task instance has a new id for each try, so that an ECS task can run only its own try.
RUNS_OWN_TRY = hasattr(BaseExecutor, "_process_workloads")
#: 3.0 leaves it to the executor to queue workloads.
QUEUES_WORKLOADS_ITSELF = HANDS_OVER_WORKLOADS and not RUNS_OWN_TRY
#: From 3.2 on the scheduler hands over callbacks; from 3.3 on a container can run them.
HANDS_OVER_CALLBACKS = hasattr(BaseExecutor, "supports_callbacks")
RUNS_CALLBACKS = hasattr(BaseExecutor, "run_workload")
#: From 3.2 on Airflow assigns ``external_executor_id`` itself when it queues a task instance.
ASSIGNS_IDS = hasattr(BaseExecutor, "pre_assigns_external_executor_id")
#: Most characters of ``external_executor_id``; None for any number. Up to 3.1 it is a ``StringID()``
#: (``airflow/models/base.py``, ``ID_LEN``), from 3.2 on a ``Text`` (``airflow/models/taskinstance.py``).
MAX_EXTERNAL_ID = None if ASSIGNS_IDS else 250
#: From 3.0 on the scheduler fails queued and running task instances when their launch fails; 2.11 queued ones
#: alone.
FAILS_RUNNING = HANDS_OVER_WORKLOADS
#: From 3.0 on a line of a log is JSON and has a time; before that a line begins with its time.
READS_LINES_AS_JSON = HANDS_OVER_WORKLOADS
#: Where the function that masks secrets is: from 3.1 on, in 3.0, and before.
SECRETS_MASKERS = (
    "airflow._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)

#: The executor whose options :func:`option_reader` reads without an argument, as in
#: ``execution_config_function``.
_current_executor: ContextVar[BaseExecutor | None] = ContextVar("current_executor", default=None)


def external_id(arn: str) -> str | None:
    """
    Return an ARN as Airflow can store it in ``external_executor_id``; None where it is too long.

    A longer value would raise in the scheduler's transaction and end it. Without the ARN, adoption finds the
    ECS task by its identity.
    """
    return None if MAX_EXTERNAL_ID is not None and len(arn) > MAX_EXTERNAL_ID else arn


def mask_secrets(text: str) -> str:
    """
    Return a text without the secrets that Airflow knows in this process, such as those of read connections.

    :raises ImportError: where none of the modules exists, as may be in a newer release.
    """
    for name in SECRETS_MASKERS:
        with suppress(ImportError):
            return str(importlib.import_module(name).redact(text))
    raise ImportError(f"none of {', '.join(SECRETS_MASKERS)}")


def stats() -> Any:
    """Return what takes metrics (``incr``, ``gauge``, ``timing``); releases have it under different names."""
    return getattr(base_executor, "stats", None) or getattr(base_executor, "Stats")


def team_of(executor: BaseExecutor) -> str | None:
    """Return the team that the executor belongs to, 3.2 and newer; None without one."""
    return getattr(executor, "team_name", None)


@contextmanager
def options_of(executor: BaseExecutor) -> Iterator[None]:
    """
    Let :func:`option_reader` read the options of the executor's team, within a block or a decorated function.

    :raises ConfigError: with the mistakes in them, and the team's name.
    """
    team = team_of(executor)
    token = _current_executor.set(executor)
    try:
        yield
    except ConfigError as error:
        if team is None:
            raise
        raise ConfigError([f"Team {team}: {mistake}" for mistake in error.mistakes]) from error
    finally:
        _current_executor.reset(token)


def option_reader(executor: BaseExecutor | None = None) -> Callable[[str], str | None]:
    """
    Return a function from the name of an option of ``[fargate]`` to its text.

    Where this Airflow does not know the section, because the executor is named by its module path alone,
    defaults come from the template. From 3.1 on an executor reads the configuration of its team.

    :param executor: whose configuration is read; None for that of :func:`options_of`.
    """
    source: Any = getattr(executor or _current_executor.get(), "conf", None) or conf
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

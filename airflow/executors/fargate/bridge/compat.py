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
What differs between the releases of Airflow; with ``database.py`` all that this package knows of Airflow.

When a release is dropped, what is said of it here goes too.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.config.template import SECTION, template
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate.launch import CallbackId, Launch, TaskInstanceId

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey

#: From 3.0 on the scheduler hands over workloads, before that commands; 3.0 has no place to queue them.
QUEUES_WORKLOADS_ITSELF = hasattr(BaseExecutor, "queue_workload") and not hasattr(
    BaseExecutor, "_process_workloads"
)
#: From 3.2 on the scheduler hands over callbacks, and from 3.3 on a container can execute them.
HANDS_OVER_CALLBACKS = hasattr(BaseExecutor, "supports_callbacks")
RUNS_CALLBACKS = hasattr(BaseExecutor, "run_workload")
#: From 3.2 on Airflow assigns ``external_executor_id`` itself when it queues a task instance.
ASSIGNS_IDS = hasattr(BaseExecutor, "pre_assigns_external_executor_id")
#: Characters that ``external_executor_id`` takes; None for any number. Up to 3.1 it is a ``StringID()``
#: (``airflow/models/base.py``, ``ID_LEN``), from 3.2 on a ``Text`` (``airflow/models/taskinstance.py``).
MAX_EXTERNAL_ID = None if ASSIGNS_IDS else 250
#: From 3.1 on a task instance has a new id for each try, so that an ECS task runs no other try than its own.
RUNS_OWN_TRY = hasattr(BaseExecutor, "_process_workloads")
#: From 3.0 on the scheduler fails a task instance for the failure of its launch while it runs, too; 2.11 while it is queued.
FAILS_RUNNING = hasattr(BaseExecutor, "queue_workload")
#: Lets 2.11 write a task's own lines to the container's log as well, not to a file alone; 3.x does so anyway.
COMMAND_ENVIRONMENT = (("AIRFLOW_IS_EXECUTOR_CONTAINER", "True"),)
#: As Airflow's own rule is: callbacks before tasks, since they complete what has begun.
CALLBACK_PRIORITY = sys.maxsize
#: From 3.0 on a line of a log is JSON with a time of its own; before that it begins with its time.
READS_LINES_AS_JSON = hasattr(BaseExecutor, "queue_workload")
#: Where the function that masks secrets is: from 3.1 on, in 3.0, and before.
SECRETS_MASKERS = (
    "airflow._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)
#: What a container runs from 3.0 on; the workload follows as JSON.
EXECUTE_WORKLOAD = ("python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string")


#: Whose options are read by a function that is given none, such as ``execution_config_function``.
_starting: ContextVar[BaseExecutor | None] = ContextVar("starting", default=None)


def task_instance_id(key: TaskInstanceKey) -> TaskInstanceId:
    """Return the package's own form of Airflow's key of a task instance."""
    return TaskInstanceId(key.dag_id, key.task_id, key.run_id, key.try_number, key.map_index)


def priorities(queued_tasks: Mapping[TaskInstanceKey, Any]) -> dict[TaskInstanceKey, int]:
    """Return what is queued with its ``priority_weight``, on 2.11; a workload has its own with it."""
    commands = ((key, queued) for key, queued in queued_tasks.items() if isinstance(queued, tuple))
    return {key: priority for key, (_, priority, *_) in commands}


def workload_key(workload: Any) -> Any:
    """Return the key by which Airflow knows a workload, 3.0 and newer."""
    ti = getattr(workload, "ti", None)
    if ti is not None:
        return ti.key
    # 3.2 has no class for the keys of callbacks.
    return workload.key if RUNS_CALLBACKS else workload.callback.id


def launch_of_workload(workload: Any, now: float) -> Launch:
    """
    Return the launch of an ``ExecuteTask`` workload, 3.0 and newer, or of an ``ExecuteCallback``, 3.3 and newer.

    The id of a task's is the one that Airflow assigned when it queued the task instance, 3.2 and newer, so that the
    database knows the launch before AWS does.
    """
    ti = getattr(workload, "ti", None)
    if ti is None:
        return _launch_of_callback(workload, now)
    assigned = getattr(ti, "external_executor_id", None)
    return Launch(
        task=task_instance_id(ti.key),
        key=ti.key,
        command=partial(_command, workload),
        executor_config=ti.executor_config,
        queue=ti.queue,
        priority=ti.priority_weight,
        handed_over=now,
        expires=_expiry(workload.token),
        id=_uuid(assigned) or str(uuid.uuid4()),
    )


def _launch_of_callback(workload: Any, now: float) -> Launch:
    return Launch(
        task=CallbackId(workload.callback.id, workload.callback.data.get("dag_id")),
        key=workload.key,
        command=partial(_command, workload),
        priority=CALLBACK_PRIORITY,
        handed_over=now,
        expires=_expiry(workload.token),
    )


def _command(workload: Any) -> tuple[str, ...]:
    return (*EXECUTE_WORKLOAD, workload.model_dump_json())


def _uuid(text: str | None) -> str | None:
    """Return the text, if it is a UUID in the form that Python writes it in."""
    try:
        return text if str(uuid.UUID(text)) == text else None
    except (TypeError, ValueError):
        return None


def _expiry(token: str) -> float | None:
    """
    Return when a workload's token expires, in seconds since the epoch; None where it does not say.

    Airflow itself has just signed it and only the date is of interest, so its claims are read as they stand: a
    library that checks it first takes the scheduler's thread fifty times as long.
    """
    try:
        claims = token.split(".")[1]
        told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return told.get("exp")
    except (AttributeError, IndexError, ValueError):
        return None


def external_id(arn: str) -> str | None:
    """
    Return an ARN as Airflow can store it in ``external_executor_id``; None where it is too long.

    The scheduler would not survive the database's error. Adoption finds the container by its identity then.
    """
    return None if MAX_EXTERNAL_ID is not None and len(arn) > MAX_EXTERNAL_ID else arn


def mask_secrets(text: str) -> str:
    """
    Return a text without the secrets that Airflow knows in this process, such as the connections that it has read.

    :raises ImportError: where none of the places has the function, as in a release that is newer than this module.
    """
    for name in SECRETS_MASKERS:
        try:
            masker = importlib.import_module(name)
        except ImportError:
            continue
        return str(masker.redact(text))
    raise ImportError(f"none of {', '.join(SECRETS_MASKERS)}")


def team_of(executor: BaseExecutor) -> str | None:
    """Return the team whose own the executor is, 3.2 and newer; None of one for all."""
    return getattr(executor, "team_name", None)


def of_its_team(
    executor: BaseExecutor, function: Callable[[list[str]], dict[str, Any]]
) -> Callable[[list[str]], dict[str, Any]]:
    """Return the function, for any thread; the options that are read in it are those of the executor's team."""

    def call(command: list[str]) -> dict[str, Any]:
        token = _starting.set(executor)
        try:
            return function(command)
        finally:
            _starting.reset(token)

    return call


@contextmanager
def starting(executor: BaseExecutor) -> Iterator[None]:
    """
    Let the options that are read meanwhile be those of the executor's team.

    :raises ConfigError: with the mistakes in them, and whose they are.
    """
    team = team_of(executor)
    token = _starting.set(executor)
    try:
        yield
    except ConfigError as error:
        if team is None:
            raise
        raise ConfigError([f"Team {team}: {mistake}" for mistake in error.mistakes]) from error
    finally:
        _starting.reset(token)


def option_reader(executor: BaseExecutor | None = None) -> Callable[[str], str | None]:
    """
    Return a function from the name of an option of ``[fargate]`` to its text.

    The default comes from the template where this Airflow does not know the section: the executor works by
    its module path alone. From 3.1 on an executor has its own view of the configuration, for its team; without an
    executor it is that of the one that is starting, or whose function runs.
    """
    from airflow.configuration import conf

    source = getattr(executor or _starting.get(), "conf", None) or conf

    def get(name: str) -> str | None:
        text: str | None = source.get(SECTION, name, fallback=template()[name]["default"])
        return text

    return get


def sweep_interval() -> float:
    """Return the seconds between two looks for containers that nobody wants: as Airflow does for task instances."""
    from airflow.configuration import conf

    interval: float = conf.getfloat("scheduler", "orphaned_tasks_check_interval", fallback=300.0)
    return interval


def lease() -> float:
    """
    Return the seconds after a heartbeat in which no other scheduler takes this one for dead.

    That is when its job has told nothing for ``[scheduler] scheduler_health_check_threshold``; half of it, since the job's
    last heartbeat is older than the executor's.
    """
    from airflow.configuration import conf

    threshold: float = conf.getfloat("scheduler", "scheduler_health_check_threshold", fallback=30.0)
    return threshold / 2


def queued_launch(key: Any, queued: Any) -> Launch:
    """Return enough of the launch of what Airflow has queued here to look it up: who it is for, and its id."""
    assigned = _uuid(getattr(getattr(queued, "ti", None), "external_executor_id", None))
    return Launch(task_instance_id(key), key, id=assigned or str(uuid.uuid4()))


def stats() -> Any:
    """Return what takes metrics: ``incr``, ``gauge``, ``timing``; each line of releases has it elsewhere."""
    from airflow.executors import base_executor

    return getattr(base_executor, "stats", None) or getattr(base_executor, "Stats", None)


def default_region() -> str | None:
    """Return the Region that boto3 takes where nobody names one."""
    import boto3

    region: str | None = boto3.session.Session().region_name
    return region


def session_maker(conn_id: str | None, region: str | None, team_name: str | None = None) -> Callable[[], Any]:
    """
    Return a function that makes a boto3 session, or what makes clients as the named connection says.

    :param team_name: whose connection it can be, 3.2 and newer; None for one of everybody's.
    :raises ConfigError: where a package that it needs is not there, or the connection is not.
    """
    if not conn_id:
        import boto3

        return lambda: boto3.session.Session(region_name=region)
    name = f"[{SECTION}] conn_id = {conn_id!r}"
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    except ImportError:
        raise ConfigError(
            [f"{name}: apache-airflow-providers-amazon is not installed. Install it, or leave conn_id empty."]
        ) from None
    from airflow.exceptions import AirflowNotFoundException
    from airflow.models.connection import Connection

    # Older releases know no teams.
    of_team = {} if team_name is None else {"team_name": team_name}
    find: Callable[[str], Any] = partial(Connection.get_connection_from_secrets, **of_team)
    try:
        # The hook itself only warns, and goes on with whatever credentials boto3 finds.
        find(conn_id)
    except AirflowNotFoundException:
        raise ConfigError(
            [f"{name}: there is no such connection. Make it, or leave conn_id empty."]
        ) from None

    def make_session() -> _OfConnection:
        hook: Any = AwsGenericHook(aws_conn_id=conn_id, region_name=region)
        if of_team:
            # The hook's own look knows no teams.
            hook.get_connection = find
        return _OfConnection(hook, region)

    return make_session


class _OfConnection:
    """A session with a connection's credentials, an assumed role's too, whose clients are made as it says."""

    def __init__(self, hook: Any, region: str | None) -> None:
        self._hook = hook
        self._session = hook.get_session(region_name=region)

    def client(
        self,
        service: str,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        config: Any = None,
    ) -> Any:
        """Return a client; what is named here wins over the connection: its endpoint, its botocore configuration."""
        own = self._hook.config
        return self._session.client(
            service,
            region_name=region_name,
            endpoint_url=endpoint_url or self._hook.conn_config.get_service_endpoint_url(service),
            config=own.merge(config) if config else own,
            verify=self._hook.verify,
        )

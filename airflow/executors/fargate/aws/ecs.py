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
"""The calls to Amazon ECS. Any thread may make them. The fleet retries them, not this module."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from airflow.executors.fargate.aws.answers import Answer, Page, log_configurations
from airflow.executors.fargate.aws.classify import error_code

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
MAX_DESCRIBED = 100
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
MAX_LISTED = 100
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
MAX_STOP_REASON = 255

T = TypeVar("T")


class Ecs:
    """
    Makes the calls. Each returns the parsed answer, or raises botocore's error.

    :param make_client: returns a new boto3 client for ``ecs``. It is called again after :meth:`renew`.
    """

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self._client: Any = None
        #: The number of the client in use, and of the one for the next call: :meth:`renew` raises the second.
        self._made, self._wanted = 0, 1
        self._lock = threading.Lock()
        self._takes_two_filters = True

    @property
    def endpoint_url(self) -> str | None:
        """
        The URL of the calls; None while there is no client.

        A failed connection to another host was made to get credentials.
        """
        return None if self._client is None else str(self._client.meta.endpoint_url)

    def renew(self) -> None:
        """Let the next call make a new client, which looks for credentials again."""
        self._wanted += 1

    def close(self) -> None:
        """Close the connections; each thread that made calls has kept one open."""
        # FargateExecutor.start calls gc.freeze(), so the client may never be collected. The oldest supported
        # botocore has no way to close a client, and there may be no client.
        getattr(self._client, "close", lambda: None)()

    def run_task(self, request: Mapping[str, Any], client_token: str) -> Answer:
        """Call RunTask. With the token of an earlier call, AWS returns the ECS task that it started then."""
        return Answer.parse(self.connected().run_task(**request, clientToken=client_token))

    def describe_tasks(self, cluster: str, arns: Sequence[str]) -> Answer:
        """Call DescribeTasks for at most :data:`MAX_DESCRIBED` ECS tasks of one cluster."""
        return Answer.parse(self.connected().describe_tasks(cluster=cluster, tasks=list(arns)))

    def stop_task(self, cluster: str, arn: str, reason: str) -> None:
        """Call StopTask. AWS shows the reason as ``stoppedReason``; it is cut to :data:`MAX_STOP_REASON`."""
        self.connected().stop_task(cluster=cluster, task=arn, reason=reason[:MAX_STOP_REASON])

    def describe_logs(self, definition: str) -> dict[str, Mapping[str, Any]]:
        """Call DescribeTaskDefinition, and return the log configurations of its containers by their names."""
        return log_configurations(self.connected().describe_task_definition(taskDefinition=definition))

    def list_running(self, cluster: str, started_by: str, next_token: str | None = None) -> Page:
        """Call ListTasks for a page of a deployment's ECS tasks with the desired status RUNNING."""
        # No desiredStatus: startedBy must be the only filter, and RUNNING is the default.
        return self._list(next_token, cluster=cluster, startedBy=started_by)

    def list_stopped(self, cluster: str, started_by: str, next_token: str | None = None) -> Page:
        """
        Call ListTasks for a page of stopped ECS tasks: a deployment's, or if AWS refuses that filter, all.

        The documentation forbids a second filter beside ``startedBy``, but it is reported to work with
        ``desiredStatus``. After AWS has refused it once, this and all later calls leave ``startedBy`` out.
        """
        filters = {"cluster": cluster, "desiredStatus": "STOPPED"}
        if self._takes_two_filters:
            try:
                return self._list(next_token, startedBy=started_by, **filters)
            except Exception as error:
                if error_code(error) != "InvalidParameterException" or next_token is not None:
                    raise
            self._takes_two_filters = False
        return self._list(next_token, **filters)

    def _list(self, next_token: str | None, **filters: str) -> Page:
        following = {} if next_token is None else {"nextToken": next_token}
        return Page.parse(self.connected().list_tasks(maxResults=MAX_LISTED, **following, **filters))

    def connected(self) -> Any:
        """Return the client of the next call; the first one, and one after :meth:`renew`, is made now."""
        with self._lock:
            # Making a client takes a tenth of a second of processor time, so one thread does it and the
            # others wait.
            wanted = self._wanted
            if self._made != wanted:
                self._client, self._made = self._make_client(), wanted
        return self._client


def in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces of at most ``size`` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]

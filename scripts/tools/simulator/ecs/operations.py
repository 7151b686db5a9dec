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
"""RunTask, DescribeTasks, ListTasks and StopTask, without moto's serializer: those are the hot calls."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from tools.simulator import limits
from tools.simulator.aws_errors import invalid_parameter
from tools.simulator.ecs import new_task, run_request, tasks
from tools.simulator.ecs.client_tokens import ClientTokens
from tools.simulator.faults.source import TaskPlan

if TYPE_CHECKING:
    from tools.simulator.ecs.lifecycle import Lifecycle
    from tools.simulator.ecs.moto_side import Cluster, MotoSide
    from tools.simulator.ecs.run_request import RunRequest
    from tools.simulator.ecs.task_store import TaskStore
    from tools.simulator.ecs.tasks import Task
    from tools.simulator.faults.source import FaultSource

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
MISSING = "MISSING"
# Fargate's vCPU quota: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
QUOTA_REASON = "You've reached the limit on the number of vCPUs you can run concurrently"
STOPPED_BY_USER = "Task stopped by user"


class Operations:
    """
    Answers the calls that are about tasks.

    :param store: the tasks, and the lock that guards them
    :param faults: says what becomes of a new task
    """

    def __init__(self, store: TaskStore, lifecycle: Lifecycle, faults: FaultSource, moto: MotoSide) -> None:
        self._store = store
        self._lifecycle = lifecycle
        self._faults = faults
        self._moto = moto
        self._tokens = ClientTokens(store.clock)
        self._numbers = itertools.count(1)
        # Through the loader, so that no profile or configuration file of the user matters.
        self._model = ServiceModel(Loader().load_service_model("ecs", "service-2"), "ecs")
        self._answers: dict[str, Callable[[dict[str, Any], str], bytes]] = {
            "RunTask": self._run_task,
            "DescribeTasks": self._describe_tasks,
            "ListTasks": self._list_tasks,
            "StopTask": self._stop_task,
        }

    def __contains__(self, operation: str) -> bool:
        return operation in self._answers

    def answer(self, operation: str, body: bytes, region: str) -> bytes:
        """
        Carry out a call.

        :param body: its JSON
        :return: the answer's JSON
        :raises AwsError: the error that AWS answers with
        """
        request = run_request.parsed(body, self._model.operation_model(operation).input_shape)
        return self._answers[operation](request, region)

    def _cluster(self, request: dict[str, Any], region: str) -> Cluster:
        return self._moto.cluster(region, request.get("cluster", "default"))

    def _run_task(self, request: dict[str, Any], region: str) -> bytes:
        cluster = self._cluster(request, region)
        with self._store.lock:
            earlier = self._tokens.replay(cluster.arn, request)
        if earlier is not None:
            return earlier
        run = run_request.check(request, region, cluster, self._moto)
        with self._store.lock:
            # Somebody may have been faster with the same token while the lock was free.
            earlier = self._tokens.replay(cluster.arn, request)
            return earlier if earlier is not None else self._place(run)

    def _place(self, run: RunRequest) -> bytes:
        placed: list[Task] = []
        failures: list[dict[str, str]] = []
        kind = new_task.kind(run)
        no_capacity = self._faults.placement_failure(kind)
        for _ in range(run.count):
            reason = no_capacity or self._over_quota(run)
            if reason:
                failures.append({"arn": run.definition.arn, "reason": reason})
                continue
            task = new_task.make(run, next(self._numbers), self._faults.task(kind), self._store.clock())
            self._store.add(task)
            self._lifecycle.begin(task)
            placed.append(task)
        answer = _tasks_answer([task.described(with_tags=True) for task in placed], failures)
        self._tokens.remember(run.cluster.arn, run.request, answer, placed)
        return answer

    def put_stopped(self, request: dict[str, Any], region: str, count: int) -> list[str]:
        """
        Put so many tasks there that a RunTask with this request has started, and that have ended well by now.

        :return: their ARNs
        :raises AwsError: the error that AWS would have answered with
        """
        run = run_request.check(request, region, self._cluster(request, region), self._moto)
        with self._store.lock:
            tasks = [
                new_task.make(run, next(self._numbers), TaskPlan(), self._store.clock()) for _ in range(count)
            ]
            for task in tasks:
                self._store.add(task)
                task.put = True
                self._lifecycle.be_over(task)
        return [task.arn for task in tasks]

    def _over_quota(self, run: RunRequest) -> str | None:
        quota = self._faults.settings.vcpu_quota
        over = quota is not None and self._store.used_vcpus + new_task.vcpus(run) > quota
        if over:
            self._faults.note("vcpu_quota")
        return QUOTA_REASON if over else None

    def _describe_tasks(self, request: dict[str, Any], region: str) -> bytes:
        references = request["tasks"]
        if not references:
            raise invalid_parameter("Tasks cannot be empty.")
        if len(references) > limits.MAX_DESCRIBED_TASKS:
            raise invalid_parameter(f"taskIds can have at most {limits.MAX_DESCRIBED_TASKS} items.")
        cluster = self._cluster(request, region)
        arns = [_task_arn(cluster, reference) for reference in references]
        with_tags = "TAGS" in request.get("include", [])
        described, failures = [], []
        with self._store.lock:
            for arn in dict.fromkeys(arns):
                task = self._store.shown(arn)
                if task is None or task.cluster_arn != cluster.arn:
                    failures.append({"arn": arn, "reason": MISSING})
                    self._note_hidden(arn)
                else:
                    described.append(task.described(with_tags))
        return _tasks_answer(described, failures)

    def _note_hidden(self, arn: str) -> None:
        """Count what a task is hidden by."""
        task = self._store.known(arn)
        if task is not None and not task.plan.never_seen:
            self._faults.note("stopped_retention" if task.stopped else "missing_for")

    def _list_tasks(self, request: dict[str, Any], region: str) -> bytes:
        cluster = self._cluster(request, region)
        started_by = request.get("startedBy")
        others = request.keys() - {"cluster", "startedBy", "nextToken", "maxResults"}
        if started_by is not None and others:
            raise invalid_parameter("cannot specify startedBy with other arguments")
        most = request.get("maxResults", limits.MAX_LIST_RESULTS)
        if not 1 <= most <= limits.MAX_LIST_RESULTS:
            raise invalid_parameter(f"maxResults should be between 1 and {limits.MAX_LIST_RESULTS}.")
        wanted = _filter(request)
        with self._store.lock:
            following = self._store.shown_after(_decode(request.get("nextToken")), cluster.arn, started_by)
            page = list(itertools.islice(filter(wanted, following), most + 1))
        answer: dict[str, Any] = {"taskArns": [task.arn for task in page[:most]]}
        if len(page) > most:
            answer["nextToken"] = _encode(page[most - 1].number)
        return json.dumps(answer).encode()

    def _stop_task(self, request: dict[str, Any], region: str) -> bytes:
        cluster = self._cluster(request, region)
        reason = request.get("reason", STOPPED_BY_USER)
        if len(reason) > limits.MAX_STOP_REASON_CHARACTERS:
            raise invalid_parameter(
                f"reason length should be no longer than {limits.MAX_STOP_REASON_CHARACTERS}."
            )
        arn = _task_arn(cluster, request["task"])
        with self._store.lock:
            task = self._store.shown(arn)
            if task is None or task.cluster_arn != cluster.arn:
                raise invalid_parameter("The referenced task was not found.")
            self._lifecycle.stop(task, "UserInitiated", reason)
            return b'{"task":%b}' % task.described(with_tags=True).encode()


def _tasks_answer(described: list[str], failures: list[dict[str, str]]) -> bytes:
    return f'{{"tasks":[{",".join(described)}],"failures":{json.dumps(failures)}}}'.encode()


def _task_arn(cluster: Cluster, reference: str) -> str:
    """Return the ARN of a task that is named by ARN or id."""
    task_id = reference.rsplit("/", 1)[-1]
    if len(task_id) not in limits.TASK_ID_LENGTHS:
        raise invalid_parameter(f"taskId length should be one of {list(limits.TASK_ID_LENGTHS)}")
    if reference.startswith("arn:"):
        return reference
    return f"{cluster.arn.rsplit(':', 1)[0]}:task/{cluster.name}/{task_id}"


def _filter(request: dict[str, Any]) -> Callable[[Task], bool]:
    """Return what decides whether ListTasks lists a task."""
    # The model has PENDING as well, and no task ever has it.
    status = request.get("desiredStatus", tasks.RUNNING)
    if status not in (tasks.RUNNING, tasks.PENDING, tasks.STOPPED):
        raise invalid_parameter(f"Invalid desired status: {status}")
    family, launch_type = request.get("family"), request.get("launchType")
    instance = request.get("containerInstance")
    # Every task here was started by RunTask: none belongs to a service or a daemon.
    nobodys = "serviceName" in request or "daemonName" in request

    def wanted(task: Task) -> bool:
        return (
            not nobodys
            and task.desired_status == status
            and family in (None, task.family)
            and launch_type in (None, task.launch_type)
            and (instance is None or task.facts.get("containerInstanceArn", "").endswith(instance))
        )

    return wanted


def _encode(number: int) -> str:
    return base64.urlsafe_b64encode(f"after:{number}".encode()).decode()


def _decode(token: str | None) -> int:
    if token is None:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word != "after":
            raise ValueError(word)
        return int(number)
    except (binascii.Error, ValueError):
        raise invalid_parameter("Invalid token.") from None

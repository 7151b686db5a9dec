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
Moves tasks through their states.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html. Everything
here runs under the store's lock, on the timers' thread, a container's thread or a request's.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from tools.simulator.containers.host import ContainerHost, StartFailure, stop_timeout
from tools.simulator.ecs import tasks

if TYPE_CHECKING:
    from tools.simulator.ecs.task_store import TaskStore
    from tools.simulator.ecs.tasks import Container, Task
    from tools.simulator.settings import Fault
    from tools.simulator.timers import Timers

log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
ESSENTIAL_EXITED = ("EssentialContainerExited", "Essential container in task exited")
INTERRUPTION_REASONS = {
    "spot_interruption": ("SpotInterruption", "Your Spot Task was interrupted."),
    "maintenance": (
        "ServiceSchedulerInitiated",
        "ECS is performing maintenance on the underlying infrastructure hosting the task",
    ),
}
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
#: How reasons begin that a container gives, once its task has its capacity and its network interface; for any other
#: reason a task fails while it is PROVISIONING.
CONTAINERS_REASONS = ("Cannot", "ContainerRuntimeError", "InternalError", "ResourceInitializationError")

#: PROVISIONING, PENDING and ACTIVATING share the provisioning time.
_STARTING_STEPS = len(tasks.STARTING_STATES)


class Lifecycle:
    """
    What happens to a task after RunTask.

    :param store: where the tasks are; its lock guards them
    :param timers: calls back when a state's time is over
    :param host: starts the containers
    """

    def __init__(self, store: TaskStore, timers: Timers, host: ContainerHost) -> None:
        self._store = store
        self._timers = timers
        self._host = host
        #: Tasks whose processes are being started, on a thread of their own.
        self._launching: set[str] = set()

    def begin(self, task: Task) -> None:
        """Send a task that RunTask accepted on its way."""
        if task.plan.never_seen:
            self._store.released(task)
        else:
            self._next_step(task, self._pull)

    def be_over(self, task: Task) -> None:
        """Let a new task have run and ended well."""
        self._order_stop(task, *ESSENTIAL_EXITED)
        now = self._now()
        task.times |= dict.fromkeys(("startedAt", "executionStoppedAt"), now)
        for container in task.containers:
            container.exit_code = 0
        self._finish(task)

    def stop(self, task: Task, stop_code: str, reason: str) -> None:
        """Stop a task: SIGTERM now, SIGKILL after each container's stopTimeout. Does nothing twice."""
        if task.stopping:
            return
        self._order_stop(task, stop_code, reason)
        if self._alive(task):
            self._enter(task, tasks.DEACTIVATING)
            self._enter(task, tasks.STOPPING)
            self._signal(task)
        else:
            self._wind_down(task)

    def interrupt(self, task: Task, fault: Fault) -> None:
        """Let the outside world end a task, as ``fault.kind`` says."""
        if task.stopping:
            return
        if fault.kind == "out_of_memory":
            self._run_out_of_memory(task)
        elif fault.kind == "spot_interruption" and self._alive(task):
            # The notice and SIGTERM come together; the task is RUNNING until its containers have ended:
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
            self._order_stop(task, *INTERRUPTION_REASONS[fault.kind])
            task.changed()
            self._signal(task, at_most=fault.warning)
        else:
            self.stop(task, *INTERRUPTION_REASONS[fault.kind])

    # ---- starting

    def _next_step(self, task: Task, step: Callable[[Task], None]) -> None:
        self._after(task.plan.provisioning / _STARTING_STEPS, functools.partial(self._starting, task, step))

    def _starting(self, task: Task, step: Callable[[Task], None]) -> None:
        if not task.stopping:
            step(task)

    def _pull(self, task: Task) -> None:
        if task.plan.start_failure and not task.plan.start_failure.startswith(CONTAINERS_REASONS):
            self._fail_to_start(task)
            return
        if task.network_interface:
            task.network_interface.status = "ATTACHED"
        self._enter(task, tasks.PENDING, "connectivityAt", "pullStartedAt")
        self._next_step(task, self._activate)

    def _activate(self, task: Task) -> None:
        if task.plan.start_failure:
            self._fail_to_start(task)
            return
        self._enter(task, tasks.ACTIVATING, "pullStoppedAt")
        self._next_step(task, self._start)

    def _start(self, task: Task) -> None:
        if task.plan.pretended_duration is None:
            self._launching.add(task.arn)
            threading.Thread(target=self._launch, args=(task,), name="fargate-launch", daemon=True).start()
            return
        for container in task.containers:
            self._host.pretend(task, container, functools.partial(self._ended, task, container))
        self._started(task)

    def _launch(self, task: Task) -> None:
        """Start the processes, without the lock: other tasks need not wait for them."""
        failure: tuple[Container, str] | None = None
        for container in task.containers:
            try:
                self._host.start(task, container)
            except StartFailure as error:
                failure = container, str(error)
                break
            except Exception as error:
                log.exception("%s of %s could not be started", container.name, task.arn)
                failure = container, f"CannotStartContainerError: {error!r}"
                break
        with self._store.lock:
            self._launching.discard(task.arn)
            if failure and not task.stopping:
                self._order_stop(task, "TaskFailedToStart", failure[1])
                failure[0].reason = failure[1]
            elif not failure:
                self._started(task)
            if task.stopping:
                self._signal(task)
            for container in task.containers:
                if container.process:
                    self._host.watch(container, functools.partial(self._ended, task, container))
            self._wind_down_if_over(task)

    def _started(self, task: Task) -> None:
        if task.stopping:
            task.times["startedAt"] = self._now()
            task.changed()
            return
        self._enter(task, tasks.RUNNING, "startedAt")
        if task.plan.interruption:
            self._after(
                task.plan.interruption_after,
                functools.partial(self.interrupt, task, task.plan.interruption),
            )

    def _fail_to_start(self, task: Task) -> None:
        task.containers[0].reason = task.plan.start_failure
        self._order_stop(task, task.plan.start_failure_code, task.plan.start_failure)
        self._wind_down(task)

    # ---- stopping

    def _order_stop(self, task: Task, stop_code: str, reason: str) -> None:
        task.desired_status = tasks.STOPPED
        task.stop_code = stop_code
        task.stopped_reason = reason
        task.times["stoppingAt"] = self._now()

    def _signal(self, task: Task, at_most: float | None = None) -> None:
        if task.arn in self._launching:
            return  # ``_launch`` does it, once all processes are there
        for container in task.containers:
            if container.running:
                grace = stop_timeout(container)
                self._after(
                    grace if at_most is None else min(grace, at_most),
                    functools.partial(self._kill, container),
                )
                container.process.terminate()

    def _kill(self, container: Container) -> None:
        if container.running:
            container.process.kill()

    def _run_out_of_memory(self, task: Task) -> None:
        for container in task.containers:
            if container.running and container.essential:
                container.reason = OUT_OF_MEMORY
                container.process.kill()

    def _ended(self, task: Task, container: Container, exit_code: int) -> None:
        """Take note of a container's end; a pretended one can be told to end more than once."""
        with self._store.lock:
            if container.exit_code is not None:
                return
            container.exit_code = exit_code
            if container.essential and not task.stopping:
                self.stop(task, *ESSENTIAL_EXITED)
            elif not task.stopping:
                container.reported = True
                task.changed()
            self._wind_down_if_over(task)

    def _alive(self, task: Task) -> bool:
        return task.arn in self._launching or any(container.running for container in task.containers)

    def _wind_down_if_over(self, task: Task) -> None:
        if task.stopping and not self._alive(task):
            self._wind_down(task)

    def _wind_down(self, task: Task) -> None:
        """Go through what is left of the chain, in the stopping time, once nothing runs any more."""
        if task.winding_down:
            return
        task.winding_down = True
        started = any(container.process for container in task.containers)
        if started:
            task.times["executionStoppedAt"] = self._now()
        path = tasks.STATES[tasks.STATES.index(tasks.DEACTIVATING if started else tasks.DEPROVISIONING) :]
        path = [state for state in path if tasks.STATES.index(state) > tasks.STATES.index(task.status)]
        self._walk(task, path, task.plan.stopping / max(1, len(path) - 1))

    def _walk(self, task: Task, path: list[str], pause: float) -> None:
        """Enter the first of these states now, and each further one after a pause."""
        state, *rest = path
        if state == tasks.STOPPED:
            self._finish(task)
        else:
            self._enter(task, state)
            self._after(pause, functools.partial(self._walk, task, rest, pause))

    def _finish(self, task: Task) -> None:
        for container in task.containers:
            container.reported = True
        if task.network_interface:
            task.network_interface.status = "DELETED"
        self._enter(task, tasks.STOPPED, "stoppedAt")
        self._store.released(task)

    # ---- time

    def _now(self) -> float:
        return tasks.in_milliseconds(self._store.clock())

    def _enter(self, task: Task, status: str, *timestamps: str) -> None:
        """Enter a state, and set the timestamps that come with it to the same moment."""
        now = self._now()
        task.times.update(dict.fromkeys(timestamps, now))
        task.enter(status, now)

    def _after(self, seconds: float, step: Callable[[], None]) -> None:
        self._timers.after(seconds, functools.partial(self._locked, step))

    def _locked(self, step: Callable[[], None]) -> None:
        with self._store.lock:
            step()

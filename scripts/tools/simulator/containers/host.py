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
"""Containers as real processes, and containers that only pretend."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from tools.simulator.containers import process_tree
from tools.simulator.containers.output import OutputPump, Sink, Stream
from tools.simulator.containers.preloaded import Fork, Preloaded
from tools.simulator.containers.reaper import Reaper
from tools.simulator.limits import DEFAULT_STOP_TIMEOUT

if TYPE_CHECKING:
    from tools.simulator.ecs.tasks import Container, Task
    from tools.simulator.timers import Timers

# What an image of the usual kind sets.
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
METADATA_VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"

# How long the output of an ended container may lag behind; it is all in the pipe by then.
_OUTPUT_GRACE = 2.0
# How long the end waits for containers that are just being started.
_START_GRACE = 5.0

#: Called when a container ended, with its exit code.
OnExit = Callable[[int], None]


class StartFailure(Exception):
    """A container could not be started; the text is ECS's reason."""


class RealContainer:
    """A process in a session of its own, and what it starts."""

    def __init__(self, process: subprocess.Popen[bytes] | Fork, directory: str, marker: str) -> None:
        self.pid = process.pid
        self._process = process
        self._directory = directory
        self._marker = marker
        self.output: Stream | None = None

    def wait(self) -> int:
        """Wait for the main process; end what it left behind, as the end of a PID namespace would."""
        code = self._process.wait()
        process_tree.end_all([self.pid], self._marker)
        shutil.rmtree(self._directory, ignore_errors=True)
        return 128 - code if code < 0 else code

    def terminate(self) -> None:
        """Send SIGTERM to the main process only, as a container runtime does."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()


class PretendedContainer:
    """No process: it ends when its time is up, or when it is signalled."""

    def __init__(self, timers: Timers, on_exit: OnExit) -> None:
        self._timers = timers
        self._on_exit = on_exit

    def end_after(self, seconds: float, exit_code: int) -> None:
        self._timers.after(seconds, lambda: self._on_exit(exit_code))

    def terminate(self) -> None:
        self._on_exit(128 + signal.SIGTERM)

    def kill(self) -> None:
        self._on_exit(128 + signal.SIGKILL)


class ContainerHost:
    """
    Starts containers and tells when they end. Thread-safe.

    :param marker: a prefix of the environment entry that marks this server's containers
    :param open_log: (task, container) to the sink of its output, or None; raises StartFailure
    :param preload: Python modules that are imported once for all containers that run a Python module
    """

    def __init__(
        self,
        marker: str,
        timers: Timers,
        open_log: Callable[[Task, Container], Sink | None],
        preload: Sequence[str] = (),
    ) -> None:
        self._marker = marker
        self._timers = timers
        self._open_log = open_log
        self._changed = threading.Condition()
        self._in_flight = 0
        self._closed = False
        self._scratch = tempfile.mkdtemp(prefix="local-fargate-")
        self._reaper = Reaper(marker, self._scratch)
        self._preloaded = Preloaded(preload, self._scratch)
        self._pump = OutputPump()
        self._pump.start()

    def pretend(self, task: Task, container: Container, on_exit: OnExit) -> None:
        """Start a pretended container; one that is not essential runs until it is signalled."""
        container.process = PretendedContainer(self._timers, on_exit)
        if container.essential:
            container.process.end_after(task.plan.pretended_duration or 0.0, task.plan.pretended_exit_code)

    def start(self, task: Task, container: Container) -> None:
        """
        Start a container's process.

        :raises StartFailure: where it has no command, no log group, or nothing that can be run
        """
        command = [
            *container.definition.get("entryPoint", []),
            *container.override.get("command", container.definition.get("command", [])),
        ]
        if not command:
            raise StartFailure("CannotStartContainerError: there is no image here, so it needs a command")
        sink = self._open_log(task, container)
        reader, writer = os.pipe() if sink else (None, os.open(os.devnull, os.O_WRONLY))
        with self._starting():
            try:
                real = self._spawn(task, container, command, writer)
            except (OSError, ValueError) as error:
                if reader is not None:
                    os.close(reader)
                raise StartFailure(f"CannotStartContainerError: {error}") from error
            finally:
                os.close(writer)
            self._reaper.watch(real.pid)
        if reader is not None:
            real.output = self._pump.follow(reader, sink)  # It closes it.
        container.pid = real.pid
        container.process = real

    def watch(self, container: Container, on_exit: OnExit) -> None:
        """Tell ``on_exit`` when a started container ended and its output is kept."""
        threading.Thread(
            target=self._wait, args=(container.process, on_exit), name="fargate-container", daemon=True
        ).start()

    def close(self) -> None:
        """End every process that was started here; nothing starts any more."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._in_flight, _START_GRACE)
        self._reaper.close()
        self._preloaded.close()
        self._pump.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _wait(self, container: RealContainer, on_exit: OnExit) -> None:
        exit_code = container.wait()
        self._reaper.forget(container.pid)
        if container.output:
            container.output.ended.wait(_OUTPUT_GRACE)
        on_exit(exit_code)

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Keep ``close`` from looking for processes while one is being started."""
        with self._changed:
            if self._closed:
                raise StartFailure("CannotStartContainerError: the local Fargate is about to end")
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def _spawn(self, task: Task, container: Container, command: list[str], output: int) -> RealContainer:
        directory = tempfile.mkdtemp(prefix=f"{container.name}-", dir=self._scratch)
        marker = f"{self._marker}/{container.runtime_id}"
        cwd = container.definition.get("workingDirectory", directory)
        env = self._environment(task, container, directory, marker)
        try:
            process = self._preloaded.start(command, cwd, env, output) or subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        return RealContainer(process, directory, marker)

    @staticmethod
    def _environment(task: Task, container: Container, directory: str, marker: str) -> dict[str, str]:
        region = task.arn.split(":")[3]
        name, _, value = marker.partition("=")
        variables = [*container.definition.get("environment", []), *container.override.get("environment", [])]
        return {
            **BASE_ENVIRONMENT,
            "HOME": directory,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            **{variable.get("name", ""): variable.get("value", "") for variable in variables},
            name: value,
        }


def stop_timeout(container: Container) -> float:
    """Return the seconds between SIGTERM and SIGKILL."""
    return container.definition.get("stopTimeout", DEFAULT_STOP_TIMEOUT)

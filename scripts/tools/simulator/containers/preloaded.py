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
Starts Python programs as forks of a process that has imported their modules.

A container that loads Airflow spends three seconds of processor time on imports. Here one process imports the modules, and
forks for each container. A fork has a session, an environment, an output and an exit code of its own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: The most bytes of a request; one of ECS has 8 KB of overrides.
_MAX_REQUEST = 1 << 17
#: The variables that a module may read as it is imported, by how their names begin.
_SEEN_BY_IMPORTS = ("AIRFLOW_", "_AIRFLOW_", "AWS_", "PYTHON", "PATH", "LANG", "TMPDIR")
#: Those of them that no import reads: they can differ between the forks of a process.
_OWN = ("AIRFLOW_FARGATE_LAUNCH", "AIRFLOW__FARGATE__")
#: The modules that console scripts run.
_SCRIPTS = {"airflow": "airflow"}


class Fork:
    """A process that a :class:`Preloaded` has started, with those methods of ``Popen`` that a container needs."""

    def __init__(self, pid: int, result: int) -> None:
        self.pid = pid
        self._result = result

    def wait(self) -> int:
        """Return the exit code, as ``Popen.wait`` does; that of a killed process where nobody can tell any more."""
        with open(self._result, "rb") as result:
            code = result.read()
        return int(code or -signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Preloaded:
    """
    Starts programs whose modules are imported. Thread-safe.

    There is a process for each environment, as modules read the environment when they are imported.

    :param modules: what to import
    :param directory: an empty folder, the home of the processes
    """

    def __init__(self, modules: Sequence[str], directory: str) -> None:
        self._modules = modules
        self._directory = directory
        self._lock = threading.Lock()
        self._parents: dict[frozenset[tuple[str, str]], tuple[socket.socket, subprocess.Popen[bytes]]] = {}

    def start(self, command: Sequence[str], cwd: str, env: Mapping[str, str], output: int) -> Fork | None:
        """
        Start the module of a command.

        :param output: the descriptor for what it writes
        :return: None if nothing was started: the command is not that of a Python module, its folder is not there, the
            modules cannot be imported in its environment, or the system has no ``pidfd_open``
        :raises OSError: where the environment's ``PATH`` has no ``python``
        """
        arguments = _arguments(command)
        if not (self._modules and arguments and os.path.isdir(cwd) and hasattr(os, "pidfd_open")):
            return None
        request = json.dumps({"arguments": arguments, "cwd": cwd, "env": dict(env)}).encode()
        with self._lock:
            channel = self._parent(env)
            result, told = os.pipe()
            with contextlib.suppress(ConnectionError):
                socket.send_fds(channel, [request], [output, told])
                if answer := channel.recv(_MAX_REQUEST):
                    os.close(told)
                    return Fork(int(answer), result)
        os.close(result)
        os.close(told)
        return None

    def close(self) -> None:
        """End the processes; those that they have started go on."""
        with self._lock:
            for channel, process in self._parents.values():
                channel.close()
                process.wait()
            self._parents.clear()

    def _parent(self, env: Mapping[str, str]) -> socket.socket:
        """Return the way to the process for this environment; start it where there is none."""
        seen = {
            name: env[name] for name in env if name.startswith(_SEEN_BY_IMPORTS) and not name.startswith(_OWN)
        }
        key = frozenset(seen.items())
        if key not in self._parents:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            process = subprocess.Popen(
                ["python", Path(__file__), str(theirs.fileno()), *self._modules],
                cwd=self._directory,
                env=seen | {"HOME": self._directory},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            theirs.close()
            self._parents[key] = ours, process
        return self._parents[key][0]


def _arguments(command: Sequence[str]) -> list[str] | None:
    """Return a Python module and its arguments; None where a command is of another kind."""
    program, *rest = command
    if program == "python" and rest[:1] == ["-m"] and len(rest) > 1:
        return rest[1:]
    return [_SCRIPTS[program], *rest] if program in _SCRIPTS else None


def _serve(channel: socket.socket) -> dict[str, Any]:
    """
    Fork for each request, and tell of each fork's end.

    :return: in a fork, what it is to run
    :raises SystemExit: once nobody asks any more
    """
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data:
                selector.unregister(key.fd)
                _tell_end(key.fd, *key.data)
                continue
            message, descriptors, _, _ = socket.recv_fds(channel, _MAX_REQUEST, 2)
            if not message:
                sys.exit()
            output, told = descriptors
            if not (pid := os.fork()):
                for other in selector.get_map().values():
                    if other.data:
                        os.close(other.data[1])
                        os.close(other.fd)
                selector.close()
                channel.close()
                os.close(told)
                return {**json.loads(message), "output": output}
            os.close(output)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
            channel.send(str(pid).encode())


def _tell_end(descriptor: int, pid: int, told: int) -> None:
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
    os.close(told)
    os.close(descriptor)


def _become(arguments: Sequence[str], cwd: str, env: Mapping[str, str], output: int) -> str:
    """Make this process that of a container; return the module that it is to run."""
    os.setsid()
    os.chdir(cwd)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, number)
    os.close(nothing)
    os.close(output)
    os.environ.clear()
    os.environ.update(env)
    # As Python sets them for ``python -m``; runpy completes the first one.
    sys.argv[:] = arguments
    sys.path[0] = cwd
    return arguments[0]


if __name__ == "__main__":
    # What is imported stays: no fork looks for garbage in it, which would also copy all of its memory.
    gc.disable()
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.freeze()
    program = _become(**_serve(socket.socket(fileno=int(sys.argv[1]))))
    gc.enable()
    runpy.run_module(program, run_name="__main__", alter_sys=True)

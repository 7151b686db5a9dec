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
What ministack's ECS asks of the package ``docker``, with a process in place of each container.

It is for a machine without a container engine. Containers run in ministack's session, and end with it. Their output,
and their process ids, are in files of the folder that the variable ``STAND_IN_FOLDER`` names, and so are the images
that are there, in :data:`IMAGES`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from docker.entry_points import entry_point
from docker.errors import ImageNotFound, NotFound

#: A JSON object: what each image has, by its name, as MinistackServer.add_image() writes it.
IMAGES = "images.json"
#: What ministack tells at the address in this variable has no networks, which ECS has there; so containers do without.
METADATA = "ECS_CONTAINER_METADATA_URI_V4"
#: The network of all containers, and of ministack itself.
NETWORK = {"loopback": {"IPAddress": "127.0.0.1"}}
#: Seconds between two looks for further output.
LOOK_EVERY = 0.1


class Container:
    """A process, with what a container of the package has."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], output: Path) -> None:
        self.id = name
        self.attrs: dict[str, Any] = {"NetworkSettings": {"Networks": NETWORK}}
        self._process = process
        self._output = output

    @property
    def status(self) -> str:
        return "running" if self._process.poll() is None else "exited"

    def reload(self) -> None:
        """Do nothing: the status is always the present one."""

    def wait(self) -> dict[str, int]:
        """Return the exit code; 128 and the signal's number where one has ended it."""
        code = self._process.wait()
        return {"StatusCode": 128 - code if code < 0 else code}

    def stop(self, timeout: float = 10) -> None:
        """End it by SIGTERM, and after so many seconds by SIGKILL."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def remove(self, **_: Any) -> None:
        """Do nothing: a process that has ended is gone."""

    def logs(self, **_: Any) -> Iterator[bytes]:
        """Yield its lines as they come, until it has ended."""
        with self._output.open("rb") as output:
            begun = b""
            while True:
                ended = self.status == "exited"
                while piece := output.readline():
                    begun += piece
                    if begun.endswith(b"\n"):
                        yield begun
                        begun = b""
                if ended:
                    yield from [begun] * bool(begun)
                    return
                time.sleep(LOOK_EVERY)


class Itself:
    """ministack, which gives containers the address of this network as its own."""

    attrs: ClassVar[dict[str, Any]] = {"NetworkSettings": {"Networks": NETWORK}}


class Containers:
    """All containers of a client."""

    def __init__(self) -> None:
        self._folder = Path(os.environ["STAND_IN_FOLDER"])
        self._containers: dict[str, Container] = {}

    def run(
        self,
        image: str,
        *,
        name: str,
        command: Sequence[str] | None,
        environment: Mapping[str, str],
        labels: Mapping[str, str],
        **_: Any,
    ) -> Container:
        """
        Start a container's command, with the environment of its image and its own.

        :raises ImageNotFound: for an image that is not there, as the package does after it has asked the registry
        """
        has = self._image(image)
        env = {**has["environment"], **environment}
        env.pop(METADATA, None)
        output = self._folder / f"{name}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*(entry_point(labels) or has["entrypoint"]), *(command or ())],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        (self._folder / f"{name}.pid").write_text(str(process.pid))
        self._containers[name] = Container(name, process, output)
        return self._containers[name]

    def get(self, container_id: str) -> Container | Itself:
        """Return a container, or ministack where it asks for itself; NotFound where there is none."""
        if container_id == os.environ.get("HOSTNAME", ""):
            return Itself()
        if container_id not in self._containers:
            raise NotFound(container_id)
        return self._containers[container_id]

    def _image(self, name: str) -> dict[str, Any]:
        images = json.loads((self._folder / IMAGES).read_text(encoding="utf-8"))
        if name not in images:
            raise ImageNotFound(f'404 Client Error: Not Found ("manifest for {name} not found")')
        return dict(images[name])

    def list(self, **_: Any) -> list[Container]:
        """Return none: nothing is left of an earlier ministack."""
        return []


class Client:
    """A client of an engine that is not there."""

    def __init__(self) -> None:
        self.containers = Containers()


def from_env(**_: Any) -> Client:
    """Return a client."""
    return Client()

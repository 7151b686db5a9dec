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
"""ministack, AWS's services on this machine that others have written: how it is started and asked."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.harness.environment import REPOSITORY, VENVS
from tools.harness.processes import HarnessError, Process, free_port, wait_until

#: The name of its package, of ``requirements/ministack.lock`` and of the environment that is made of it.
NAME = "ministack"
#: The folder whose ``docker`` starts processes: ministack starts containers by the package of that name.
STAND_IN = REPOSITORY / "scripts" / "tools" / "harness" / "stand_in"
REGION = "us-east-1"
#: Seconds that it may take to start.
PATIENCE = 60.0


class MinistackServer:
    """
    ministack in a process of its own, on a free port of the loopback interface.

    Its environment is there already, made by ``locked_environment(NAME, release)``.

    :param folder: an empty one, for its log, its data and its containers
    :param env: what it has in its environment besides, such as the PATH by which containers find their command
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = dict(env)
        self._process: Process | None = None
        self._images: dict[str, dict[str, object]] = {}
        #: The folder of the containers' output and process ids.
        self.containers = folder / "containers"
        #: Where it answers, once it has started.
        self.endpoint_url = ""

    def start(self) -> None:
        """Start it and wait until it answers; HarnessError, with its log, where it does not."""
        port = free_port()
        self.containers.mkdir()
        self._write_images()
        env = self._env | {
            "HOME": str(self._folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            # This one listens on all interfaces, whatever BIND_HOST says.
            "IOT_MTLS_ENABLED": "0",
            "PYTHONPATH": str(STAND_IN),
            "STAND_IN_FOLDER": str(self.containers),
        }
        python = VENVS / NAME / "bin" / "python"
        log = self._folder / f"{NAME}.log"
        self._process = Process(NAME, [python, "-m", NAME], env=env, log=log, cwd=self._folder)
        self.endpoint_url = f"http://127.0.0.1:{port}"
        wait_until(self._answers, timeout=PATIENCE, what=f"{NAME} to start")

    def add_image(self, name: str, environment: Mapping[str, str], entrypoint: Sequence[str] = ()) -> None:
        """Let an image be there from now on, with the environment and the entry point that its containers have."""
        self._images[name] = {"environment": dict(environment), "entrypoint": list(entrypoint)}
        if self.endpoint_url:
            self._write_images()

    def stop(self) -> None:
        """Stop it and every container that runs."""
        if self._process:
            self._process.stop()

    def client(self, service: str) -> Any:
        """Return a boto3 client for it."""
        # Not every program that starts it needs boto3.
        import boto3

        session = boto3.session.Session("any", "key", region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint_url)

    def _write_images(self) -> None:
        written = self.containers / "images.new"
        written.write_text(json.dumps(self._images), encoding="utf-8")
        # A container that starts now reads the one or the other.
        written.replace(self.containers / "images.json")

    def _answers(self) -> bool:
        if self._process.exit_code is not None:
            raise HarnessError(f"{NAME} ended with {self._process.exit_code}:\n{self._process.tail()}")
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=5) as answer:
                return bool(json.load(answer))
        except OSError:
            return False


def installed_version() -> str:
    """Return the version in the environment that was made for it."""
    (found,) = VENVS.glob(f"{NAME}/lib/python*/site-packages/{NAME}-*.dist-info")
    return found.name.removeprefix(f"{NAME}-").removesuffix(".dist-info")

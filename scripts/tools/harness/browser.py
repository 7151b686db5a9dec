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
"""A headless Chromium that chromedriver drives, as https://www.w3.org/TR/webdriver2/ says."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.harness.processes import HarnessError, Process, free_port, wait_until

#: Root may run Chromium only without its sandbox. It opens no page but those of this machine.
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-background-networking",
]
WIDTH = 1300
#: So high is the window while a page is read: the Logs tab has no lines but those that fit into it.
READING_HEIGHT = 5000
#: Seconds that a call may take.
TIMEOUT = 60


class Browser:
    """
    A context manager: one window of a browser that runs inside.

    :param chromedriver: the program, which finds the Chromium of its version by itself
    """

    def __init__(self, chromedriver: str) -> None:
        self._program = chromedriver
        self._address = f"http://127.0.0.1:{free_port()}"

    def __enter__(self) -> Browser:
        self._folder = Path(tempfile.mkdtemp(prefix="chromedriver-"))
        command = [self._program, f"--port={self._address.rpartition(':')[2]}"]
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
        }
        self._process = Process("chromedriver", command, env=env, log=self._folder / "log")
        try:
            wait_until(self._is_ready, timeout=TIMEOUT, what="chromedriver to start")
            wanted = {"alwaysMatch": {"goog:chromeOptions": {"args": ARGUMENTS}}}
            session = self._call("POST", "/session", {"capabilities": wanted})["sessionId"]
        except BaseException:
            self.__exit__()
            raise
        self._session = f"/session/{session}"
        self._resize(READING_HEIGHT)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, address: str) -> None:
        """Load a page; what its scripts ask for comes later."""
        self._call("POST", f"{self._session}/url", {"url": address})

    def text(self) -> str:
        """Return the text that the page shows now."""
        return str(self.run("return document.body.innerText"))

    def run(self, script: str) -> Any:
        """Return what a script's ``return`` gives, which JSON can hold."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def narrow(self, width: int, height: int) -> None:
        """Show pages as on a screen of this size, which may be narrower than a window can be."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._command("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme: str) -> None:
        """Tell pages that the user prefers this colour scheme: ``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._command("Emulation.setEmulatedMedia", {"features": [feature]})

    def picture(self, height: int) -> bytes:
        """Return what a window of this height shows of the page, as PNG."""
        self._resize(height)
        png = self._call("GET", f"{self._session}/screenshot")
        self._resize(READING_HEIGHT)
        return base64.b64decode(png)

    def _resize(self, height: int) -> None:
        self._call("POST", f"{self._session}/window/rect", {"width": WIDTH, "height": height})

    def _command(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Call https://chromedevtools.github.io/devtools-protocol/tot/Emulation/."""
        body = {"cmd": name, "params": parameters}
        self._call("POST", f"{self._session}/goog/cdp/execute", body)

    def _is_ready(self) -> bool:
        if self._process.exit_code is not None:
            raise HarnessError(f"chromedriver ended with {self._process.exit_code}:\n{self._process.tail()}")
        try:
            return bool(self._call("GET", "/status")["ready"])
        except OSError:
            return False

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._address + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)["value"]

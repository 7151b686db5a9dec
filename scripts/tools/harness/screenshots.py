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
Photographs Airflow's UI, and checks what it shows; ``scripts/screenshots`` has found chromedriver and made the environment.

The checks are those that ``tests/end_to_end/test_tries.py`` makes of the REST API.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tools.harness import tries
from tools.harness.browser import Browser
from tools.harness.dag_run import DagRun
from tools.harness.deployment import Deployment
from tools.harness.environment import REPOSITORY
from tools.harness.processes import HarnessError, wait_until
from tools.harness.releases import NEWEST, RELEASES

#: Where the pictures go that the documentation shows, by their names, and where all others go, by Airflow's line.
PICTURES, DOCUMENTED = (
    REPOSITORY / "docs" / "executor" / "img",
    ("audit-log", "killed-log", "never_started-log", "deferred-log", "running-log"),
)
OTHERS = REPOSITORY / "build" / "screenshots"
#: Those of which a dark one is taken, too: a page on GitHub is dark for whoever prefers that.
DARK = ("killed-log",)
DAG_FILES = [tries.DAG_FILE, REPOSITORY / "tests" / "end_to_end" / "dags" / "talks.py"]
RUN_ID = "manual"
#: The task whose container dies before any code of Airflow's runs, and what its audit log has at last.
MUTE_DAG_ID, MUTE_TASK_ID, LAST_NOTE = "dies_mute", "never_begins", "LookupError: unknown encoding"
#: The height of each picture's window.
HEIGHT = 1010
#: Bytes; a picture that is larger has no place in a repository.
MOST = 300_000
#: Seconds.
PATIENCE = 120
#: Seconds in which an open page asks some times for what is new.
POLLS = 10
# Whoever comes is let in, so that nobody need fill in a form, and no line of a log is cut at the picture's edge.
UI = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True", "AIRFLOW__API__DEFAULT_WRAP": "True"}


def main(line: str, chromedriver: str) -> None:
    """Let tasks run, end and be killed, check what the browser shows of them, and take the pictures."""
    with (
        Deployment(RELEASES[line], Path(sys.prefix), dags=DAG_FILES, extra=UI, say=print) as deployment,
        Browser(chromedriver) as browser,
    ):
        pages = Pages(browser, deployment.airflow.settings.address, line)
        run = tries.Tries(deployment, RUN_ID)
        run.begin()
        for shown in tries.SHOWN:
            pages.check_log(shown)
        run.end()
        fail_mute(deployment)
        pages.open(f"/dags/{MUTE_DAG_ID}/runs/{RUN_ID}/tasks/{MUTE_TASK_ID}/events")
        wait_until(lambda: LAST_NOTE in browser.text(), timeout=PATIENCE, what="the audit log in the browser")
        pages.photograph("audit-log")


def fail_mute(deployment: Deployment) -> None:
    """Let a container die before Airflow's code runs, and wait for the last of its notes."""
    run = DagRun(deployment, MUTE_DAG_ID, RUN_ID)
    run.trigger()
    run.follow(timeout=PATIENCE)
    events = deployment.airflow.database.events
    wait_until(
        lambda: events(MUTE_DAG_ID, RUN_ID, "fargate log"),
        timeout=PATIENCE,
        what="the container's last words",
    )


class Pages:
    """What a browser shows of an Airflow of this line at an address."""

    def __init__(self, browser: Browser, address: str, line: str) -> None:
        self._browser = browser
        self._address = address
        self._line = line

    def check_log(self, shown: tries.Shown) -> None:
        """
        Open the Logs tab of a try, and photograph it once it shows what it has to.

        :raises HarnessError: it does not
        """
        page = f"/dags/{tries.DAG_ID}/runs/{RUN_ID}/tasks/{shown.task_id}"
        self.open(f"{page}?try_number={shown.try_number}")
        shown.check(self._browser.text)
        self.photograph(f"{shown.task_id}-log")
        time.sleep(POLLS)
        shown.check(self._browser.text)
        print(f"{shown.task_id}, try {shown.try_number}: the Logs tab shows all {len(shown.texts)} texts")

    def open(self, path: str) -> None:
        """Load a page of Airflow's."""
        self._browser.open(self._address + path)

    def photograph(self, name: str) -> None:
        """
        Keep a picture of the page that is open, and a dark one of those that need one.

        :raises HarnessError: the picture is too large
        """
        self._keep(name, name)
        if name in DARK:
            self._browser.prefer("dark")
            self._keep(name, f"{name}-dark")
            self._browser.prefer("light")

    def _keep(self, name: str, file: str) -> None:
        png = self._browser.picture(HEIGHT)
        if len(png) > MOST:
            raise HarnessError(f"The picture {file} has {len(png)} bytes, more than {MOST}")
        folder = PICTURES if name in DOCUMENTED and self._line == NEWEST else OTHERS / self._line
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file}.png").write_bytes(png)


if __name__ == "__main__":
    main(*sys.argv[1:])

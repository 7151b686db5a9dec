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
"""Photographs Airflow's UI; ``scripts/screenshots`` has found Chromium and made the environment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.harness.dag_run import DagRun
from tools.harness.deployment import Deployment
from tools.harness.environment import REPOSITORY
from tools.harness.processes import HarnessError, wait_until
from tools.harness.releases import RELEASES

PICTURES = REPOSITORY / "docs" / "executor" / "img"
DAG_FILE = REPOSITORY / "tests" / "end_to_end" / "dags" / "talks.py"
DAG_ID, TASK_ID, RUN_ID = "dies_mute", "never_begins", "manual"
AUDIT_LOG = f"/dags/{DAG_ID}/runs/{RUN_ID}/tasks/{TASK_ID}/events"
RUNNING_DAG_ID = "talks"
RUNNING_LOG = f"/dags/{RUNNING_DAG_ID}/runs/{RUN_ID}/tasks/runs_long"
#: The window, and how much of the page's time passes before the picture, in milliseconds: it asks for its data first.
WINDOW = "1500,860"
LOADING = 30_000
#: Bytes; a picture that is larger has no place in a repository.
MOST = 200_000
#: Seconds.
PATIENCE = 120
# Whoever comes is let in, so that Chromium need not fill in a form.
EVERYBODY_IS_ADMIN = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}


def main(line: str, chromium: str) -> None:
    """Let a task run and a container die, and take the pictures."""
    with Deployment(
        RELEASES[line], Path(sys.prefix), dags=[DAG_FILE], extra=EVERYBODY_IS_ADMIN, say=print
    ) as deployment:
        address = deployment.airflow.settings.address
        runs = DagRun(deployment, RUNNING_DAG_ID, RUN_ID)
        runs.trigger()
        runs.follow(until=lambda tis: any(ti.state == "running" for ti in tis), timeout=PATIENCE)
        photograph(chromium, address + RUNNING_LOG, PICTURES / "running-log.png")
        run = DagRun(deployment, DAG_ID, RUN_ID)
        run.trigger()
        run.follow(timeout=PATIENCE)
        database = deployment.airflow.database
        wait_until(
            lambda: database.events(DAG_ID, RUN_ID, "fargate log"), timeout=PATIENCE, what="its last words"
        )
        photograph(chromium, address + AUDIT_LOG, PICTURES / "audit-log.png")


def photograph(chromium: str, address: str, picture: Path) -> None:
    """
    Let Chromium draw a page, and keep the picture.

    :raises HarnessError: Chromium failed, or the picture is too large
    """
    picture.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command += ["--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars"]
        command += [
            f"--user-data-dir={profile}",
            f"--window-size={WINDOW}",
            f"--virtual-time-budget={LOADING}",
        ]
        done = subprocess.run(
            [*command, f"--screenshot={picture}", address],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    if done.returncode or not picture.exists():
        raise HarnessError(f"Chromium took no picture of {address}:\n{done.stderr[-2000:]}")
    if picture.stat().st_size > MOST:
        raise HarnessError(f"{picture} has {picture.stat().st_size} bytes, more than {MOST}")
    print(f"{picture.relative_to(REPOSITORY)}: {picture.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])

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
"""Start a whole Airflow on the database that is there, run the trials and questions, and stop it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.aws.inside.account import Account
from tools.aws.inside.components import Airflow
from tools.aws.inside.everything import ALL
from tools.aws.inside.lines import Lines
from tools.aws.inside.recorder import Recorder
from tools.aws.inside.rest import RestApi
from tools.aws.inside.running import chosen, run_all
from tools.aws.inside.settings import Settings
from tools.aws.inside.trial import Bench

#: Seconds after which no further trial begins, and none waits any more.
LIMIT = 50 * 60.0


def main() -> int:
    """Run all; the exit code is 0 once each trial has its row, whatever it says."""
    # SIGTERM ends this program as Ctrl-C does: nothing of Airflow's stays.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = Settings.read(os.environ)
    lines = Lines(settings.secrets)
    lines.say("began", **versions())
    with tempfile.TemporaryDirectory(prefix="airflow-") as folder:
        home, recordings = Path(folder, "home"), Path(folder, "recordings")
        home.mkdir()
        recordings.mkdir()
        recorder = Recorder(recordings, source(settings))
        recorder.install()
        airflow = Airflow(settings, lines, home, recorder.environment())
        try:
            lines.log("Starting Airflow …")
            airflow.start()
            account = Account(settings, client(settings))
            bench = Bench(settings, airflow, RestApi(settings), account, limit=LIMIT)
            run_all(chosen(ALL, settings.trials), bench, lines, recorder)
        finally:
            airflow.stop()
    lines.say("end")
    return 0


def source(settings: Settings) -> str:
    """Return who answers: AWS, or what stands for it."""
    return os.environ.get("AWS_ENDPOINT_URL") or f"AWS, {settings.region}"


def versions() -> dict[str, str]:
    """Return what runs here; the executor has a version of its own only as a wheel."""
    versions = {}
    for name, package in (("airflow", "apache-airflow-core"), ("executor", "airflow-fargate-executor")):
        try:
            versions[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not a package"
    return versions | {"python": platform.python_version()}


def client(settings: Settings) -> Any:
    """Return a client that throttling does not stop."""
    import boto3
    from botocore.config import Config

    retries = Config(retries={"mode": "standard", "max_attempts": 8})
    return boto3.session.Session(region_name=settings.region).client("ecs", config=retries)


if __name__ == "__main__":
    sys.exit(main())

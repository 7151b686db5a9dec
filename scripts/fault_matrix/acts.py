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
"""What the world does while a row runs; each function is the ``act`` of a step."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from airflow.executors import fargate_executor
from airflow.executors.fargate import fleet_thread

if TYPE_CHECKING:
    from fault_matrix.bed import Bed

#: By how many seconds a clock jumps; by no factor, since clocks know none.
JUMP = 3600.0
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_FILE = "AWS_SHARED_CREDENTIALS_FILE"


def revoke(bed: Bed) -> None:
    """Let Airflow take back all that has not ended."""
    for scheduler in bed.schedulers:
        scheduler.give_up()


def stop_some(bed: Bed) -> None:
    """Stop each fifth container that runs, as anybody with the permission could."""
    ecs = bed.fargate.client("ecs")
    running = [entry for entry in bed.containers() if entry["lastStatus"] == "RUNNING"]
    if not running:
        raise LookupError("nothing runs, so the row shows nothing")
    for entry in running[::5]:
        ecs.stop_task(cluster=entry["clusterArn"], task=entry["taskArn"], reason="An operator was here")


def take_credentials(bed: Bed) -> None:
    """Leave botocore no place where it could find credentials."""
    bed.kept = {name: os.environ.pop(name) for name in _KEYS if name in os.environ}
    bed.folder = tempfile.TemporaryDirectory(prefix="no-credentials-")
    os.environ[_FILE] = str(Path(bed.folder.name) / "credentials")


def give_credentials(bed: Bed) -> None:
    """Write credentials where botocore looks for them."""
    Path(os.environ[_FILE]).write_text("[default]\naws_access_key_id = late\naws_secret_access_key = comer\n")


def clock_forward(bed: Bed) -> None:
    """Let the scheduler's clock jump ahead."""
    _jump(JUMP)


def clock_back(bed: Bed) -> None:
    """Let the scheduler's clock jump back."""
    _jump(-JUMP)


def clock_right(bed: Bed) -> None:
    """Set the scheduler's clock right."""
    _jump(0.0)


def _jump(seconds: float) -> None:
    _clock.ahead = seconds


class _Clock:
    """The wall clock of the executor's modules, which can be put ahead; everything else of ``time`` is as it is."""

    ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


_clock = _Clock()


def install_clock() -> None:
    """Let the executor's modules read a clock that can jump; only rows that run alone make it jump."""
    members = {name: getattr(time, name) for name in dir(time) if not name.startswith("_")}
    for module in (fargate_executor, fleet_thread):
        module.time = SimpleNamespace(**members | {"time": _clock.time})


def restore(bed: Bed) -> None:
    """Take back what acts have done to the process."""
    _clock.ahead = 0.0
    if bed.folder:
        os.environ.pop(_FILE, None)
        os.environ.update(bed.kept)
        bed.folder.cleanup()

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

import json
import os
import tempfile
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.executors import fargate_executor
from airflow.executors.fargate.aws.explanations import STOPPED_BY_COMMAND

from tests.fault_matrix import user_function
from tests.fault_matrix.row import JUMP, OPERATOR

if TYPE_CHECKING:
    from tests.fault_matrix.bed import Bed

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_FILE = "AWS_SHARED_CREDENTIALS_FILE"


def revoke(bed: Bed) -> None:
    """Let Airflow take back all that has not ended."""
    for scheduler in bed.schedulers:
        scheduler.give_up()


def stop_some(bed: Bed) -> None:
    """Stop each fifth container that runs, as anybody with the permission could."""
    _stop(bed, bed.in_state("RUNNING"))


def stop_starting(bed: Bed) -> None:
    """Stop each fifth container that has not started yet."""
    _stop(bed, bed.starting())


def stop_starting_by_command(bed: Bed) -> None:
    """Stop each fifth ECS task that has not started yet, as ``airflow fargate stop`` does."""
    _stop(bed, bed.starting(), STOPPED_BY_COMMAND)


def let_function_return(bed: Bed) -> None:
    """Let the user's function return by which requests are made."""
    user_function.may_return.set()


def _stop(bed: Bed, entries: list[dict[str, Any]], reason: str = OPERATOR) -> None:
    if not entries:
        raise LookupError("there is nothing to stop, so the row shows nothing")
    for entry in entries[::5]:
        # Without botocore, whose debug log would tell what belongs to nobody but the containers.
        body = {"cluster": entry["clusterArn"], "task": entry["taskArn"], "reason": reason}
        headers = {
            "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.StopTask",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=operator/20260101/{bed.fargate.region}/ecs/aws4_request",
        }
        request = urllib.request.Request(bed.fargate.endpoint_url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            response.read()


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
    jump(JUMP)


def clock_back(bed: Bed) -> None:
    """Let the scheduler's clock jump back."""
    jump(-JUMP)


def clock_right(bed: Bed) -> None:
    """Set the scheduler's clock right."""
    jump(0.0)


def jump(seconds: float) -> None:
    """Put the clock of the executor in this process so many seconds ahead."""
    _clock.ahead = seconds


class _Clock:
    """The wall clock of the executor, which can be put ahead; everything else of ``time`` is as it is."""

    ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


_clock = _Clock()


def install_clock() -> None:
    """Let the executor read a clock that can jump; only rows that run alone make it jump."""
    members = {name: getattr(time, name) for name in dir(time) if not name.startswith("_")}
    fargate_executor.time = SimpleNamespace(**members | {"time": _clock.time})


def restore(bed: Bed) -> None:
    """Take back what acts have done to the process."""
    _clock.ahead = 0.0
    user_function.may_return.clear()
    if bed.folder:
        os.environ.pop(_FILE, None)
        os.environ.update(bed.kept)
        bed.folder.cleanup()

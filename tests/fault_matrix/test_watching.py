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
"""That the scheduler's thread asks AWS, or waits, is noticed, and so is a machine that stands still."""

from __future__ import annotations

import concurrent.futures
import threading

import boto3
import pytest
from botocore.config import Config

from tests.fault_matrix import watching


def ask_aws():
    """Call a server that is not there."""
    once = Config(retries={"total_max_attempts": 1})
    ecs = boto3.client("ecs", region_name="us-east-1", endpoint_url="http://127.0.0.1:9", config=once)
    with pytest.raises(Exception, match="127.0.0.1:9"):
        ecs.list_clusters()


def wait():
    with pytest.raises(concurrent.futures.TimeoutError):
        concurrent.futures.Future().result(timeout=0)


def read_what_is_there():
    future = concurrent.futures.Future()
    future.set_result(1)
    assert future.result() == 1


def on_another_thread():
    thread = threading.Thread(target=ask_aws)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("act", "may_wait", "told"),
    [
        (ask_aws, False, ["it asked AWS: ListClusters"]),
        (ask_aws, True, ["it asked AWS: ListClusters"]),
        (wait, False, ["it waited for another thread"]),
        (wait, True, []),
        (read_what_is_there, False, []),
        (on_another_thread, False, []),
    ],
)
def test_what_a_thread_does(act, may_wait, told):
    """Each call and each wait of the watched thread is told once, no other one's, and nothing after the block."""
    noted = []
    with watching.installed(), watching.installed():
        with watching.watched(noted, may_wait=may_wait):
            act()
        ask_aws()
        wait()
    assert noted == told


@pytest.mark.parametrize(("took", "late"), [(0.05, 0.0), (0.08, 0.0), (3.05, 3.0)])
def test_lateness(took, late):
    """What is usual counts for nothing."""
    moments = iter([100.0, 100.0 + took])
    lateness = watching.Lateness(clock=lambda: next(moments), sleep=lambda seconds: None)
    lateness.look()
    assert lateness.total == pytest.approx(late)

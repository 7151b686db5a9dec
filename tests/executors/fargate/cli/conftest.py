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
"""What the tests of the commands share: AWS as moto plays it."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture
def moto_aws(monkeypatch):
    """
    Let moto play AWS, one call at a time.

    The commands ask on several threads, and moto's calls change what the others read meanwhile.
    """
    moto = pytest.importorskip("moto", reason="comes with the amazon provider's tests")
    from moto.core.botocore_stubber import BotocoreStubber

    lock, process_request = threading.RLock(), BotocoreStubber.process_request

    def process_alone(*args):
        with lock:
            return process_request(*args)

    monkeypatch.setattr(BotocoreStubber, "process_request", process_alone)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    with moto.mock_aws():
        yield

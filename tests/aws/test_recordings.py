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
Each recording of what AWS has answered, replayed to the executor: it understands all of it.

A recording becomes a test by adding its file; ``recordings/README.md`` says where it comes from.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from tests.aws.complaining import complaints, unknown_members
from tests.executors.conftest import fakes

__all__ = ["fakes"]

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.stem)
def test_the_executor_understands_what_aws_said(fakes, path):
    recording = json.loads(path.read_text())
    assert "\n".join(complaints(recording, fakes)) == ""
    for new in unknown_members(recording):
        warnings.warn(f"{path.name}: {new}", stacklevel=1)

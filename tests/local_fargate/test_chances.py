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
"""That another chance makes nothing green that is always red."""

from __future__ import annotations

import pytest
from tools.harness.chances import CHANCES, another_chance


def failing(times, failure):
    """Return a test that fails so often, and the list of its runs."""
    runs = []

    def test(runs=runs):
        runs.append(1)
        if len(runs) <= times:
            failure()

    return test, runs


def not_raised():
    with pytest.raises(KeyError):
        pass


def wrong():
    raise AssertionError("wrong")


@pytest.mark.parametrize("failure", [wrong, not_raised])
def test_what_passes_once_passes(failure):
    """It begins anew after each failure, and not after it has passed."""
    test, runs = failing(CHANCES - 1, failure)
    another_chance(test)()
    assert len(runs) == CHANCES


@pytest.mark.parametrize("failure", [wrong, not_raised])
def test_what_never_passes_fails(failure):
    """The last failure is told."""
    test, runs = failing(CHANCES, failure)
    with pytest.raises((AssertionError, pytest.fail.Exception), match="wrong|DID NOT RAISE"):
        another_chance(test)()
    assert len(runs) == CHANCES

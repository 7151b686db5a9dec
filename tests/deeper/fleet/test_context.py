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
"""Tests of the back-off that all parts of a fleet have."""

from __future__ import annotations

import pytest


@pytest.fixture
def back_off(fakes, clock):
    """Return a function that takes random numbers and returns the back-off of a context that has them."""
    return lambda *numbers: fakes.make_context(clock, random=iter(numbers).__next__).back_off


@pytest.mark.parametrize(
    ("repetition", "least", "most"),
    [
        (1, 1, 2),
        (2, 2, 4),
        (4, 8, 16),
        (5, 15, 30),
        (10**9, 15, 30),
    ],
)
def test_doubles_up_to_its_limit_and_half_of_it_is_random(back_off, repetition, least, most):
    """A wait is between half and all of its full length, which doubles each time, up to the limit."""
    assert back_off(0.0)((2, 30), repetition) == least
    assert back_off(0.5)((2, 30), repetition) == (least + most) / 2
    assert back_off(1.0)((2, 30), repetition) == most


def test_asks_for_a_new_random_number_each_time(back_off):
    """Launches that failed at the same time are not repeated at the same time."""
    wait = back_off(0.0, 1.0)
    assert [wait((2, 30), 1), wait((2, 30), 1)] == [1, 2]


def test_limit_below_the_first_wait_counts(back_off):
    """No wait is longer than the limit."""
    assert back_off(1.0)((10, 3), 1) == 3

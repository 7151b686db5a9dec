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
"""The CPU and memory that Fargate offers."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.aws.sizes import SIZES, mistake


def test_the_table_is_that_of_aws():
    """AWS documents the memory as single sizes, or with least, most and step; both ends are included."""
    assert {cpu: list(amounts) for cpu, amounts in SIZES.items()} == {
        256: [512, 1024, 2048],
        512: [1024, 2048, 3072, 4096],
        1024: [2048, 3072, 4096, 5120, 6144, 7168, 8192],
        2048: list(range(4096, 16385, 1024)),
        4096: list(range(8192, 30721, 1024)),
        8192: list(range(16384, 61441, 4096)),
        16384: list(range(32768, 122881, 8192)),
        32768: [61440, 122880, 249856],
    }


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        ("256", "512"),
        ("32768", "249856"),
        ("1 vCPU", "2 GB"),
        ("1vCPU", "2GB"),
        (".25 vCPU", "0.5 GB"),
        ("0.5 vcpu", "1 gb"),
        ("1024", "8 GB"),
        (" 1024 ", "2048"),
        ("1024", None),
        (None, "249856"),
        (None, None),
    ],
)
def test_valid_sizes(cpu, memory):
    """They can be in both units. A missing member may be in the task definition."""
    assert mistake(cpu, memory) is None


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        (
            "1024",
            "16384",
            "the nearest with as much are 2048 CPU units with 16384 MiB and 4096 CPU units with 16384 MiB",
        ),
        ("1 vCPU", "1 GB", "1024 CPU units with 2048 MiB and 1024 CPU units with 3072 MiB"),
        ("256", "4096", "512 CPU units with 4096 MiB and 1024 CPU units with 4096 MiB"),
        ("8192", "17408", "8192 CPU units with 20480 MiB and 8192 CPU units with 24576 MiB"),
        ("32768", "131072", "the nearest with as much is 32768 CPU units with 249856 MiB"),
        ("65536", "131072", "the largest is 32768 CPU units with 249856 MiB"),
        ("0", "0", "256 CPU units with 512 MiB and 256 CPU units with 1024 MiB"),
        ("1000", None, "the nearest with as much are 1024 and 2048 CPU units"),
        ("20000", None, "the nearest with as much is 32768 CPU units"),
        ("65536", None, "the largest is 32768 CPU units"),
        (None, "1000", "the nearest with as much are 1024 and 2048 MiB"),
        (None, "1 TB", "memory is not a size"),
        (None, "999999999 GB", "the largest is 249856 MiB"),
        ("many", "2048", "cpu is not a size"),
        ("", None, "cpu is not a size"),
        ("1.5", None, "cpu is not a size"),
        ("9" * 400, None, "cpu is not a size"),
        ("²", None, "cpu is not a size"),
    ],
)
def test_invalid_sizes(cpu, memory, expected):
    """The message names the nearest sizes that are not smaller."""
    message = mistake(cpu, memory)
    assert message is not None
    assert expected in message
    assert len(message) < 200


def test_value_that_is_not_a_size_is_not_shown():
    """It may be a password in the wrong place."""
    assert "hunter2" not in str(mistake("hunter2", "hunter2"))

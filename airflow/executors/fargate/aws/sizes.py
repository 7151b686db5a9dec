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
"""The sizes of ECS tasks that Fargate offers, and the nearest of these for a size that it does not offer."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Mapping, Sequence

#: The pairs that Fargate offers for Linux containers: MiB of memory by CPU units. From 8192 units on, they
#: need platform version 1.4.0 or newer (LATEST is newer). Windows containers have only those with 1024, 2048
#: and 4096 units.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
SIZES: Mapping[float, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
    32768: (61440, 122880, 249856),
}
#: CPU units of a vCPU, and MiB of a GB, as AWS names the larger units.
PER_LARGE_UNIT = 1024
#: How many of the nearest sizes a message names.
NEAREST = 2


def mistake(cpu: str | None, memory: str | None) -> str | None:
    """
    Return what is wrong with the size of an ECS task on Fargate; None if nothing is, as far as it is known.

    :param cpu: CPU units, or vCPUs as in ``1 vCPU``; None if only the task definition has it.
    :param memory: MiB, or GB as in ``2 GB``; None likewise.
    """
    units, mib = _parse(cpu, "vCPU"), _parse(memory, "GB")
    # The values are not shown: each may be a password in the wrong place.
    if cpu is not None and units is None:
        return "cpu is not a size: write CPU units such as 1024, or 1 vCPU"
    if memory is not None and mib is None:
        return "memory is not a size: write MiB such as 2048, or 2 GB"
    pairs = {(size, amount) for size, amounts in SIZES.items() for amount in amounts}
    if units is not None and mib is not None:
        near = _nearest(pairs, (units, mib), "{} CPU units with {} MiB")
        return near and f"Fargate has no cpu of {cpu!r} with a memory of {memory!r}; {near}"
    if units is not None:
        near = _nearest({(size,) for size, _ in pairs}, (units,), "{}")
        return near and f"Fargate has no cpu of {cpu!r}; {near} CPU units"
    if mib is not None:
        near = _nearest({(amount,) for _, amount in pairs}, (mib,), "{}")
        return near and f"Fargate has no memory of {memory!r}; {near} MiB"
    return None


def comparable(cpu: str | None, memory: str | None) -> tuple[float, float]:
    """Return CPU units and MiB, to compare sizes by; 0 for one that is missing or is not a size."""
    return _parse(cpu, "vCPU") or 0.0, _parse(memory, "GB") or 0.0


def _parse(text: str | None, large_unit: str) -> float | None:
    """Return a size in the smaller unit; None if it is missing or is not a size."""
    pattern = rf"([0-9]{{1,9}})|([0-9]{{0,9}}\.?[0-9]{{1,9}}) ?{large_unit}"
    found = re.fullmatch(pattern, (text or "").strip(), re.IGNORECASE)
    if found is None:
        return None
    small, large = found.groups()
    return float(small) if small else float(large) * PER_LARGE_UNIT


def _nearest(sizes: Iterable[tuple[float, ...]], wanted: tuple[float, ...], form: str) -> str | None:
    """
    Name the nearest sizes that are not smaller, or the largest size if there is none.

    :param sizes: CPU, memory, or both of each size.
    :return: None if Fargate has what is wanted.
    """
    enough = [size for size in sizes if all(map(operator.ge, size, wanted))]
    if wanted in enough:
        return None
    if not enough:
        return f"the largest is {form.format(*max(sizes))}"
    # By their ratio to what is wanted: 8 is as far from 4 as 4 is from 2. So the product decides.
    enough.sort(key=lambda size: (math.prod(size), size))
    named = [form.format(*size) for size in enough[:NEAREST]]
    return f"the nearest with as much {'are' if len(named) > 1 else 'is'} {' and '.join(named)}"

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
UNITS_PER_VCPU = MIB_PER_GB = 1024
_CPU = re.compile(r"([0-9]{1,9})|([0-9]{0,9}\.?[0-9]{1,9}) ?vCPU", re.IGNORECASE)
_MEMORY = re.compile(r"([0-9]{1,9})|([0-9]{0,9}\.?[0-9]{1,9}) ?GB", re.IGNORECASE)
#: How many of the nearest sizes a message names.
NEAREST = 2


def mistake(cpu: str | None, memory: str | None) -> str | None:
    """
    Return what is wrong with the size of an ECS task on Fargate; None if nothing is, as far as it is known.

    :param cpu: CPU units, or vCPUs as in ``1 vCPU``; None if only the task definition has it.
    :param memory: MiB, or GB as in ``2 GB``; None likewise.
    """
    for name, text, pattern, example in (
        ("cpu", cpu, _CPU, "CPU units such as 1024, or 1 vCPU"),
        ("memory", memory, _MEMORY, "MiB such as 2048, or 2 GB"),
    ):
        if text is not None and pattern.fullmatch(text.strip()) is None:
            # The value is not shown: it may be a password in the wrong place.
            return f"{name} is not a size: write {example}"
    units, mib = _parse(cpu, _CPU, UNITS_PER_VCPU), _parse(memory, _MEMORY, MIB_PER_GB)
    amounts = {amount for amounts in SIZES.values() for amount in amounts}
    if units is not None and mib is not None:
        if mib in SIZES.get(units, ()):
            return None
        near = _nearest_pairs(units, mib)
        return f"Fargate has no cpu of {cpu!r} with a memory of {memory!r}; {near}"
    if units is not None and units not in SIZES:
        return f"Fargate has no cpu of {cpu!r}; {_nearest(SIZES, units)} CPU units"
    if mib is not None and mib not in amounts:
        return f"Fargate has no memory of {memory!r}; {_nearest(amounts, mib)} MiB"
    return None


def comparable(cpu: str | None, memory: str | None) -> tuple[float, float]:
    """Return CPU units and MiB, to compare sizes by; 0 for one that is missing or is not a size."""
    return _parse(cpu, _CPU, UNITS_PER_VCPU) or 0.0, _parse(memory, _MEMORY, MIB_PER_GB) or 0.0


def _parse(text: str | None, pattern: re.Pattern[str], factor: int) -> float | None:
    """Return a size in the smaller unit; None if it is missing or is not a size."""
    found = None if text is None else pattern.fullmatch(text.strip())
    if found is None:
        return None
    small, large = found.groups()
    return float(small) if small else float(large) * factor


def _distance(first: float, second: float) -> float:
    """Return the distance between two sizes by their ratio: 8 is as far from 4 as 4 is from 2."""
    return abs(math.log2(max(first, 1)) - math.log2(max(second, 1)))


def _nearest(sizes: Iterable[float], wanted: float) -> str:
    """Name the nearest sizes that are not smaller, or the largest size if there is none."""
    all_sizes = sorted(sizes)
    enough = [size for size in all_sizes if size >= wanted]
    return _describe([str(size) for size in enough[:NEAREST]], str(all_sizes[-1]))


def _nearest_pairs(units: float, mib: float) -> str:
    """Name the nearest pairs with at least this CPU and memory, or the largest pair if there is none."""
    pairs = [(cpu, memory) for cpu, amounts in SIZES.items() for memory in amounts]
    enough = [(cpu, memory) for cpu, memory in pairs if cpu >= units and memory >= mib]
    enough.sort(key=lambda pair: (_distance(pair[0], units) + _distance(pair[1], mib), pair))
    named = [f"{cpu} CPU units with {memory} MiB" for cpu, memory in (*enough[:NEAREST], max(pairs))]
    return _describe(named[:-1], named[-1])


def _describe(enough: Sequence[str], largest: str) -> str:
    if not enough:
        return f"the largest is {largest}"
    return f"the nearest with as much {'are' if len(enough) > 1 else 'is'} {' and '.join(enough)}"

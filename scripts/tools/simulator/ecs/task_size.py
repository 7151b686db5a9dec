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
"""The CPU and memory of a task, in the forms that ECS takes, and whether Fargate has such a size."""

from __future__ import annotations

import re

from tools.simulator import limits
from tools.simulator.aws_errors import invalid_parameter

_CPU = re.compile(r"(?P<units>\d+)|(?P<large>\d*\.?\d+)\s*vcpu", re.IGNORECASE)
_MEMORY = re.compile(r"(?P<units>\d+)|(?P<large>\d*\.?\d+)\s*gb", re.IGNORECASE)


def cpu_units(text: str) -> int:
    """
    Return the CPU units that ``1024`` or ``1 vCPU`` stands for.

    :raises AwsError: it is neither
    """
    return _parse(text, _CPU, limits.CPU_UNITS_PER_VCPU, "cpu")


def mebibytes(text: str) -> int:
    """
    Return the MiB that ``2048`` or ``2 GB`` stands for.

    :raises AwsError: it is neither
    """
    return _parse(text, _MEMORY, limits.MIB_PER_GB, "memory")


def check_on_fargate(cpu: str | None, memory: str | None) -> None:
    """
    See that Fargate has this size.

    :raises AwsError: it has not, or one of both is not given
    """
    for name, value in (("cpu", cpu), ("memory", memory)):
        if not value:
            raise invalid_parameter(f"Fargate requires that '{name}' be defined at the task level.")
    units, mib = cpu_units(cpu or ""), mebibytes(memory or "")
    if mib / limits.MIB_PER_GB not in limits.FARGATE_GB.get(units, ()):
        raise invalid_parameter(
            f"No Fargate configuration exists for given values: {units} CPU, {mib} memory. "
            "See the Amazon ECS documentation for the valid values."
        )


def _parse(text: str, pattern: re.Pattern[str], factor: int, name: str) -> int:
    found = pattern.fullmatch(text.strip())
    if found is None:
        raise invalid_parameter(f"Invalid '{name}' setting for task.")
    return int(found["units"]) if found["units"] else int(float(found["large"]) * factor)

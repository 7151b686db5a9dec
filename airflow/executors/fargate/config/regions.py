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
"""Checks the code of an AWS Region, and that ARNs are in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.executors.fargate.config.options import Options

#: The Regions that botocore accepts: https://github.com/boto/botocore/blob/develop/botocore/utils.py
REGION = re.compile(r"(?!\d+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
#: The code of an Availability Zone or a Local Zone, and the Region's in it: us-east-1a, us-west-2-lax-1a.
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-regions-availability-zones.html
_ZONE = re.compile(r"([a-z]{2,4}(?:-[a-z]+)+-[0-9]+)(?:-[a-z]+-[0-9]+)?[a-z]")
_ARN = re.compile(r"arn:[^:]+:ecs:([^:]+):.*")


def check(options: Options, region: str | None) -> None:
    """
    Add the mistakes of the Region, and of the ARNs that must be in it.

    :param region: the Region of all calls; None if it is not known.
    """
    if not region or not REGION.fullmatch(region):
        return
    mistake = _find_mistake(region)
    if mistake:
        options.add_mistake("region", *mistake)
        return
    for name in ("cluster", "task_definition"):
        in_arn = _region_of(options.text(name))
        if in_arn and in_arn != region:
            options.add_mistake(
                name, f"it is in {in_arn}, and the Region is {region}", "Correct it, or region"
            )


def _find_mistake(region: str) -> tuple[str, str] | None:
    """Return what is wrong with the form of a Region's code, and the remedy; None if nothing is."""
    zone = _ZONE.fullmatch(region.lower())
    code = zone.group(1) if zone else region.lower()
    if code == region:
        return None
    what = "it is an Availability Zone, not a Region" if zone else "the code of a Region has no capitals"
    return what, f"Set it to {code}"


def _region_of(arn: str | None) -> str | None:
    """Return the Region in an ARN of ECS; None for a name."""
    found = _ARN.fullmatch(arn or "")
    return found.group(1) if found else None

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
"""The messages of botocore's validator without values, and those about members in the wrong place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.request.merging import RESERVED

if TYPE_CHECKING:
    from botocore.model import Shape

#: The executor_config of the KubernetesExecutor.
OF_KUBERNETES = ("pod_override", "KubernetesExecutor")


def find_misplaced(request: Mapping[str, Any], shape: Shape) -> dict[str, str]:
    """Return a sentence for each member in the wrong place, which names the right one."""
    overrides = shape.members["overrides"]
    container = overrides.members["containerOverrides"].member
    found = {}
    for name in request:
        if name in OF_KUBERNETES:
            example = '{"overrides": {"cpu": "1024", "memory": "2048"}}'
            found[name] = f"{name} is for the KubernetesExecutor: write run_task members, such as {example}"
        elif isinstance(name, str) and name not in shape.members and name in overrides.members:
            found[name] = f'{name} belongs in overrides: write {{"overrides": {{"{name}": ...}}}}'
        elif isinstance(name, str) and name not in shape.members and name in container.members:
            where = f'{{"overrides": {{"containerOverrides": [{{"{name}": ...}}]}}}}'
            found[name] = f"{name} belongs in the override of a container: write {where}"
    return found


def report_without_values(errors: Any) -> list[str]:
    """Return the validator's messages without the values, which can contain a token or a password."""
    if not errors.has_errors():
        return []
    try:
        report = errors.generate_report()
    except Exception as error:  # The report shows values, and a user's object can raise anything.
        return [f"a value of a wrong type cannot be shown: {type(error).__name__}"]
    # A value can contain line breaks and these words, so all text up to the last ", valid " is removed.
    mistakes = re.split(r"\n(?=(?:Missing|Unknown|Invalid|Must) )", report)
    mistakes = [re.sub(r", value: .*, (?=valid )", ", ", mistake, flags=re.DOTALL) for mistake in mistakes]
    return [re.sub(r"(?<=, must be one of: ).*$", _without_reserved, mistake) for mistake in mistakes]


def _without_reserved(allowed: re.Match[str]) -> str:
    """Return the list of allowed members without those that are refused too."""
    return ", ".join(name for name in allowed.group().split(", ") if name not in RESERVED)

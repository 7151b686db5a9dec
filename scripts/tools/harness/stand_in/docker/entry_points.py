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
"""The entry point of a container, which ministack does not tell its engine: its task definition has it."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Mapping
from typing import Any

#: How ministack labels a container.
LABEL = "com.amazonaws.ecs."
#: The operation, as ECS takes it: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonParameters.html
DESCRIBE = "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition"


def entry_point(labels: Mapping[str, str]) -> list[str]:
    """Return what the task definition has for the container with these labels; empty for the image's own."""
    for container in _task_definition(labels)["containerDefinitions"]:
        if container["name"] == labels[f"{LABEL}container-name"]:
            return list(container.get("entryPoint") or ())
    return []


def _task_definition(labels: Mapping[str, str]) -> dict[str, Any]:
    """Ask ministack's ECS, in the account and the Region of the ECS task."""
    _, _, _, region, account, _ = labels[f"{LABEL}task-arn"].split(":", 5)
    name = ":".join(labels[f"{LABEL}task-definition-{part}"] for part in ("family", "version"))
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": DESCRIBE,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/ecs/aws4_request",
    }
    address = f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}/"
    request = urllib.request.Request(address, json.dumps({"taskDefinition": name}).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer)["taskDefinition"])

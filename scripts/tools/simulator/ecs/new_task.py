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
"""A new task from an accepted RunTask request."""

from __future__ import annotations

import copy
import random
import uuid
from typing import TYPE_CHECKING, Any

from tools.simulator.ecs.run_request import LATEST_PLATFORM, RunRequest
from tools.simulator.ecs.tasks import Container, NetworkInterface, Task, in_milliseconds, new_id
from tools.simulator.faults.source import Kind
from tools.simulator.limits import CPU_UNITS_PER_VCPU, DEFAULT_CPU_UNITS, DEFAULT_STORAGE_GIB

if TYPE_CHECKING:
    from tools.simulator.faults.source import TaskPlan


def vcpus(run: RunRequest) -> float:
    """Return the vCPUs that one task of this request takes from the quota."""
    return int(run.cpu or DEFAULT_CPU_UNITS) / CPU_UNITS_PER_VCPU


def kind(run: RunRequest) -> Kind:
    """Return what the tasks of this request ask for."""
    placement = run.placement
    return Kind(
        provider=placement.capacity_provider or placement.launch_type,
        launch_type="" if placement.capacity_provider else placement.launch_type,
        subnet=placement.subnet or "",
        cpu=int(run.cpu or DEFAULT_CPU_UNITS),
        images=tuple(container.get("image", "") for container in run.definition.containers),
    )


def make(run: RunRequest, number: int, plan: TaskPlan, now: float) -> Task:
    """Make a task in PROVISIONING; ``number`` gives its place in the order of starts."""
    prefix, task_id = run.cluster.arn.rsplit(":", 1)[0], new_id()
    arn = f"{prefix}:task/{run.cluster.name}/{task_id}"
    return Task(
        arn=arn,
        cluster_arn=run.cluster.arn,
        family=run.definition.family,
        launch_type=run.placement.launch_type,
        started_by=run.request.get("startedBy", ""),
        number=number,
        plan=plan,
        facts=_facts(run),
        request=run.request,
        tags=_tags(run),
        containers=[
            Container(
                arn=f"{prefix}:container/{run.cluster.name}/{task_id}/{uuid.uuid4()}",
                name=definition["name"],
                definition=definition,
                override=run.override_of(definition["name"]),
                runtime_id=f"{task_id}-{random.randrange(10**9, 10**10)}",
            )
            for definition in run.definition.containers
        ],
        vcpus=vcpus(run),
        created_at=in_milliseconds(now),
        network_interface=_network_interface(run) if run.placement.subnet else None,
    )


def _facts(run: RunRequest) -> dict[str, Any]:
    request, placement = run.request, run.placement
    facts = {
        "taskDefinitionArn": run.definition.arn,
        "launchType": placement.launch_type,
        "capacityProviderName": placement.capacity_provider,
        "containerInstanceArn": placement.container_instance,
        "availabilityZone": placement.zone,
        "cpu": run.cpu,
        "memory": run.memory,
        "enableExecuteCommand": request.get("enableExecuteCommand", False),
        "group": request.get("group", f"family:{run.definition.family}"),
        "healthStatus": "UNKNOWN",
        "overrides": {"inferenceAcceleratorOverrides": [], **_overrides(run)},
        "startedBy": request.get("startedBy"),
        "attributes": [{"name": "ecs.cpu-architecture", "value": _architecture(run)}],
    }
    if placement.launch_type == "FARGATE":
        facts["ephemeralStorage"] = request.get("overrides", {}).get(
            "ephemeralStorage", {"sizeInGiB": DEFAULT_STORAGE_GIB}
        )
        version = request.get("platformVersion", "LATEST")
        facts["platformVersion"] = LATEST_PLATFORM if version == "LATEST" else version
        # AWS writes it as "Linux", and as "Windows Server 2022 Core".
        family = run.definition.platform.get("operatingSystemFamily", "LINUX")
        facts["platformFamily"] = family.replace("_", " ").title()
    return {name: value for name, value in facts.items() if value is not None}


def _architecture(run: RunRequest) -> str:
    return run.definition.platform.get("cpuArchitecture", "X86_64").lower()


def _overrides(run: RunRequest) -> dict[str, Any]:
    """Return the overrides as AWS repeats them: every container is named."""
    overrides = copy.deepcopy(run.request.get("overrides", {}))
    containers = overrides.setdefault("containerOverrides", [])
    named = {override["name"] for override in containers}
    containers.extend(
        {"name": container["name"]}
        for container in run.definition.containers
        if container["name"] not in named
    )
    return overrides


def _tags(run: RunRequest) -> list[dict[str, str]]:
    own = list(run.request.get("tags", []))
    if run.request.get("enableECSManagedTags"):
        own.append({"key": "aws:ecs:clusterName", "value": run.cluster.name})
    if run.request.get("propagateTags") != "TASK_DEFINITION":
        return own
    keys = {tag["key"] for tag in own}
    return own + [tag for tag in run.definition.tags if tag["key"] not in keys]


def _network_interface(run: RunRequest) -> NetworkInterface:
    # Drawn here and not made at moto's EC2: its subnets would be full after some thousand tasks.
    address = f"172.31.{random.randrange(256)}.{random.randrange(4, 255)}"
    return NetworkInterface(
        attachment_id=str(uuid.uuid4()),
        details={
            "subnetId": run.placement.subnet or "",
            "networkInterfaceId": f"eni-{new_id()[:17]}",
            "macAddress": ":".join(f"{byte:02x}" for byte in (0x02, *random.randbytes(5))),
            "privateDnsName": f"ip-{address.replace('.', '-')}.ec2.internal",
            "privateIPv4Address": address,
        },
    )

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
"""The checks of the task definition. Makes no calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.executors.fargate.aws import capacity, sizes
from airflow.executors.fargate.cli.check.checks import (
    ABOVE,
    ADVICE,
    FAILED,
    OK,
    UNKNOWN,
    Row,
    failed_call,
    not_looked_at,
    ok_or_failed,
)

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.asking import Answer
    from airflow.executors.fargate.cli.check.facts import Facts

CHECK = "task definition"
#: What has no row without it: what other modules check in a task definition, too.
EVERYTHING = (
    "its container, launch type, network mode, size, log, roles, images and secrets, and the address that the "
    "container asks"
)
#: What to do if it is not known whether the request is for Fargate.
BY_LAUNCH_TYPE = "See the launch type, or the request, above"


def check_task_definition(facts: Facts) -> Iterable[Row]:
    """Check that the task definition exists, suits the request, and has what is recommended."""
    answer, definition = facts.task_definition, facts.definition
    if answer is None or answer.error is not None:
        yield _unknown(answer)
        yield Row(f"everything in the {CHECK}", UNKNOWN, f"not looked at: {EVERYTHING}", ABOVE)
        return
    status = definition.get("status")
    found = f"{definition.get('family')}:{definition.get('revision')}, {status}"
    yield ok_or_failed(status == "ACTIVE", CHECK, found, "Use a revision that is ACTIVE")
    parts = (_check_container, _check_launch_type, _check_network_mode, _check_size)
    for check in parts:
        yield from check(facts)


def _unknown(answer: Answer | None) -> Row:
    """Return the row of a task definition that is not known."""
    if answer is None:
        return Row(CHECK, UNKNOWN, "no task definition is named", "See the request above")
    if_refused = "Allow ecs:DescribeTaskDefinition, which the scheduler needs too, to find logs"
    otherwise = "Register it, or correct [fargate] task_definition and region"
    return failed_call(CHECK, answer, if_refused, otherwise)


def _check_container(facts: Facts) -> Iterable[Row]:
    container = facts.container_definition
    if container is None:
        names = [str(one.get("name")) for one in facts.definition.get("containerDefinitions") or ()]
        found = f"there is no container {facts.container!r}, but {', '.join(names)}"
        yield Row("container", FAILED, found, "Correct [fargate] container_name")
    elif container.get("essential") is False:
        found = f"{facts.container}, not essential: its sidecars continue to run after it has ended"
        yield Row("container", ADVICE, found, "Make it essential in the task definition")
    else:
        yield Row("container", OK, f"{facts.container}, essential")


def _check_launch_type(facts: Facts) -> Iterable[Row]:
    """Check the launch type, and the fallback from instances to Fargate."""
    if not facts.request:
        return
    launch_type = facts.request.get("launchType")
    named = launch_type or capacity.providers(facts.request)
    where = "" if named else ", by the cluster's default capacity provider strategy"
    wanted = "FARGATE" if facts.on_fargate else launch_type
    offered = facts.definition.get("compatibilities") or facts.definition.get("requiresCompatibilities") or ()
    offers = f"the task definition offers {', '.join(offered) or 'none'}"
    if facts.on_fargate is None:
        found = "none given, and no default capacity provider strategy of the cluster is known"
        yield Row("launch type", UNKNOWN, found, "Set [fargate] launch_type, or give the cluster a strategy")
    elif wanted in offered:
        yield Row("launch type", OK, f"{wanted}{where}, which the task definition offers")
    elif wanted:
        found = f"{wanted} is asked for{where}, {offers}"
        yield Row("launch type", FAILED, found, f"Add {wanted} to its requiresCompatibilities")
    elif not named:
        # A capacity provider does not say what its instances need.
        yield Row("launch type", OK, f"{', '.join(capacity.providers(facts.default_strategy))}{where}")
    if facts.fallback and capacity.on_fargate(facts.fallback) and "FARGATE" not in offered:
        yield Row("fallback", FAILED, f"FARGATE, and {offers}", "Add FARGATE to its requiresCompatibilities")


def _check_network_mode(facts: Facts) -> Iterable[Row]:
    mode = facts.definition.get("networkMode") or "none given"
    if mode == "awsvpc" or facts.on_fargate is False:
        yield Row("network mode", OK, mode)
    elif facts.on_fargate is None:
        yield Row("network mode", UNKNOWN, f"{mode}; Fargate would need awsvpc", BY_LAUNCH_TYPE)
    else:
        yield Row("network mode", FAILED, f"{mode}; Fargate needs awsvpc", "Set its networkMode to awsvpc")


def _check_size(facts: Facts) -> Iterable[Row]:
    if facts.on_fargate is None:
        yield Row("size", UNKNOWN, "not tested: only Fargate limits sizes", BY_LAUNCH_TYPE)
    if not facts.on_fargate:
        return
    cpu, memory = (facts.overrides.get(name) or facts.definition.get(name) for name in ("cpu", "memory"))
    if cpu and memory:
        wrong = sizes.mistake(cpu, memory)
        found = wrong or f"{_with_unit(cpu, 'CPU units')}, {_with_unit(memory, 'MiB')}"
        yield ok_or_failed(not wrong, "size", found, "Set cpu and memory that Fargate has together")
    else:
        found = f"cpu {cpu or 'not given'}, memory {memory or 'not given'}; Fargate needs both"
        remedy = "Set cpu and memory of the task definition, not of its containers alone"
        yield Row("size", FAILED, found, remedy)


def _with_unit(size: str, unit: str) -> str:
    """Return a size with its unit; a text such as ``1 vCPU`` has one already."""
    return f"{size} {unit}" if size.isdigit() else size


def check_log(facts: Facts) -> Iterable[Row]:
    """Check that the main container writes to a log group that exists."""
    if facts.container_definition is None:
        return
    log = facts.container_definition.get("logConfiguration")
    options = facts.awslogs or {}
    group = options.get("awslogs-group")
    answer = facts.log_group
    missing = answer is not None and answer.error == "ResourceNotFoundException"
    creates = options.get("awslogs-create-group") == "true"
    if not log:
        found = "none: if the container dies before Airflow's own logging begins, nothing says why"
        yield Row("log", ADVICE, found, "Give the container a logConfiguration with the driver awslogs")
    elif facts.awslogs is None:
        found = f"{log.get('logDriver')}, which was not looked at"
        yield Row("log", UNKNOWN, found, "Use awslogs if the Logs tab is to show the container's lines")
    elif not group:
        yield Row("log", FAILED, "awslogs without a group", "Set awslogs-group in its logConfiguration")
    elif missing and not creates:
        remedy = f"Create it: aws logs create-log-group --log-group-name {group}"
        yield Row("log", FAILED, f"awslogs, and there is no log group {group}", remedy)
    elif facts.on_fargate and not options.get("awslogs-stream-prefix"):
        remedy = "Set awslogs-stream-prefix in its logConfiguration"
        yield Row("log", FAILED, f"awslogs, {group}, without the prefix that Fargate needs", remedy)
    elif missing:
        found = f"awslogs, and there is no log group {group} yet; the container's start creates it"
        remedy = "Check that the execution role allows logs:CreateLogGroup"
        yield Row("log", UNKNOWN, found, remedy)
    elif answer is None or answer.error:
        yield not_looked_at("log", answer, "logs:DescribeLogStreams")
    else:
        yield from _check_log_region(facts, group, options.get("awslogs-region"))


def _check_log_region(facts: Facts, group: str, region: str | None) -> Iterable[Row]:
    if region and region != facts.region:
        found = f"awslogs, {group}, in {region}, and not in {facts.region}"
        yield Row("log", ADVICE, found, "Nothing, if this is meant: AWS charges for traffic between Regions")
    else:
        yield Row("log", OK, f"awslogs, {group}")

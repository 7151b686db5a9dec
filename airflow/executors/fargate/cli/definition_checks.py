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
"""The checks of the task definition. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws import sizes
from airflow.executors.fargate.aws.capacity import providers
from airflow.executors.fargate.cli.checks import (
    ADVICE,
    FAILED,
    OK,
    UNKNOWN,
    Row,
    default_strategy,
    describe_error,
    failed_call,
    on_fargate,
)

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.facts import Facts

CHECK = "task definition"
#: What to do if it is not known whether the request is for Fargate.
BY_LAUNCH_TYPE = "See the launch type, or the request, above"


def check_task_definition(facts: Facts) -> Iterable[Row]:
    """Check that the task definition exists, suits the request, and has what is recommended."""
    answer = facts.task_definition
    if answer is None:
        yield Row(CHECK, UNKNOWN, "no task definition is named", "See the request above")
        return
    if answer.error is not None:
        remedy = (
            "Allow ecs:DescribeTaskDefinition to whoever runs this check, and to the scheduler, "
            "which needs it to find logs"
        )
        refused = Row(CHECK, UNKNOWN, describe_error(answer), remedy)
        yield failed_call(
            CHECK, answer, refused, "Register it, or correct [fargate] task_definition and region"
        )
        return
    definition = facts.definition
    name = f"{definition.get('family')}:{definition.get('revision')}, {definition.get('status')}"
    active = definition.get("status") == "ACTIVE"
    yield Row(CHECK, OK if active else FAILED, name, "" if active else "Use a revision that is ACTIVE")
    yield from _check_container(facts)
    yield from _check_launch_type(facts)
    yield from _check_fallback(facts)
    yield from _check_network_mode(facts)
    yield from _check_size(facts)
    yield from _check_log(facts)
    yield from _check_execution_role(facts)
    yield from _check_exec(facts)


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
    if facts.request is None:
        return
    named = facts.request.get("launchType") or providers(facts.request)
    where = "" if named else ", by the cluster's default capacity provider strategy"
    fargate = on_fargate(facts)
    wanted = "FARGATE" if fargate else facts.request.get("launchType")
    offered = facts.definition.get("compatibilities") or facts.definition.get("requiresCompatibilities") or ()
    if fargate is None:
        found = "none given, and no default capacity provider strategy of the cluster is known"
        yield Row("launch type", UNKNOWN, found, "Set [fargate] launch_type, or give the cluster a strategy")
    elif wanted in offered:
        yield Row("launch type", OK, f"{wanted}{where}, which the task definition offers")
    elif wanted:
        found = f"{wanted} is asked for{where}, the task definition offers {', '.join(offered) or 'none'}"
        yield Row("launch type", FAILED, found, f"Add {wanted} to its requiresCompatibilities")
    elif not named:
        # A capacity provider does not say what its instances need.
        yield Row("launch type", OK, f"{', '.join(providers(default_strategy(facts)))}{where}")


def _check_fallback(facts: Facts) -> Iterable[Row]:
    """Check the fallback from instances to Fargate."""
    offered = facts.definition.get("compatibilities") or facts.definition.get("requiresCompatibilities") or ()
    if facts.fallback and on_fargate(replace(facts, request=facts.fallback)) and "FARGATE" not in offered:
        found = f"FARGATE, and the task definition offers {', '.join(offered) or 'none'}"
        yield Row("fallback", FAILED, found, "Add FARGATE to its requiresCompatibilities")


def _check_network_mode(facts: Facts) -> Iterable[Row]:
    mode = facts.definition.get("networkMode") or "none given"
    fargate = on_fargate(facts)
    if mode == "awsvpc" or fargate is False:
        yield Row("network mode", OK, mode)
    elif fargate is None:
        yield Row("network mode", UNKNOWN, f"{mode}; Fargate would need awsvpc", BY_LAUNCH_TYPE)
    else:
        yield Row("network mode", FAILED, f"{mode}; Fargate needs awsvpc", "Set its networkMode to awsvpc")


def _check_size(facts: Facts) -> Iterable[Row]:
    fargate = on_fargate(facts)
    if fargate is None:
        yield Row("size", UNKNOWN, "not tested: only Fargate limits sizes", BY_LAUNCH_TYPE)
    if not fargate:
        return
    overrides = (facts.request or {}).get("overrides") or {}
    cpu = overrides.get("cpu") or facts.definition.get("cpu")
    memory = overrides.get("memory") or facts.definition.get("memory")
    if cpu and memory:
        wrong = sizes.mistake(cpu, memory)
        if wrong:
            yield Row("size", FAILED, wrong, "Set cpu and memory that Fargate has together")
        else:
            yield Row("size", OK, f"{_with_unit(cpu, 'CPU units')}, {_with_unit(memory, 'MiB')}")
    else:
        found = f"cpu {cpu or 'not given'}, memory {memory or 'not given'}; Fargate needs both"
        yield Row(
            "size", FAILED, found, "Set cpu and memory of the task definition, not of its containers alone"
        )


def _with_unit(size: str, unit: str) -> str:
    """Return a size with its unit; a text such as ``1 vCPU`` has one already."""
    return f"{size} {unit}" if size.isdigit() else size


def _check_log(facts: Facts) -> Iterable[Row]:
    log = (facts.container_definition or {}).get("logConfiguration")
    if facts.container_definition is None:
        return
    if not log:
        found = "none: if the container dies before Airflow's own logging begins, nothing says why"
        yield Row("log", ADVICE, found, "Give the container a logConfiguration with the driver awslogs")
        return
    if facts.awslogs is None:
        yield Row("log", OK, str(log.get("logDriver")))
        return
    yield _check_cloudwatch(facts, facts.awslogs)


def _check_cloudwatch(facts: Facts, options: Mapping[str, Any]) -> Row:
    group = options.get("awslogs-group")
    missing = facts.log_group is not None and facts.log_group.error == "ResourceNotFoundException"
    if not group:
        return Row("log", FAILED, "awslogs without a group", "Set awslogs-group in its logConfiguration")
    if missing and options.get("awslogs-create-group") != "true":
        remedy = f"Create it: aws logs create-log-group --log-group-name {group}"
        return Row("log", FAILED, f"awslogs, and there is no log group {group}", remedy)
    if on_fargate(facts) and not options.get("awslogs-stream-prefix"):
        remedy = "Set awslogs-stream-prefix in its logConfiguration"
        return Row("log", FAILED, f"awslogs, {group}, without the prefix that Fargate needs", remedy)
    return Row("log", OK, f"awslogs, {group}")


def _check_execution_role(facts: Facts) -> Iterable[Row]:
    # If Fargate needs one, for awslogs or a private image, AWS registers no task definition without it.
    role = facts.definition.get("executionRoleArn")
    if role:
        yield Row("execution role", OK, role)


def _check_exec(facts: Facts) -> Iterable[Row]:
    # AWS refuses ECS Exec without a task role. What the role must allow:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html#ecs-exec-required-iam-permissions
    overrides = (facts.request or {}).get("overrides") or {}
    role = overrides.get("taskRoleArn") or facts.definition.get("taskRoleArn")
    if (facts.request or {}).get("enableExecuteCommand") and role:
        yield Row("ECS Exec", OK, f"with {role}")
    elif (facts.request or {}).get("enableExecuteCommand"):
        yield Row(
            "ECS Exec", FAILED, "it needs a task role, and there is none", "Set the definition's taskRoleArn"
        )


def roles(facts: Facts) -> list[str]:
    """Return the roles that RunTask passes to the ECS task."""
    overrides = (facts.request or {}).get("overrides") or {}
    found = [
        overrides.get(name) or facts.definition.get(name) for name in ("taskRoleArn", "executionRoleArn")
    ]
    return list(dict.fromkeys(filter(None, found)))

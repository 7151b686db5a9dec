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
"""What each stack of a deployment is to be made of: options, what earlier stacks are made of, and what is sensible."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.aws import image
from tools.aws.errors import DeploymentError
from tools.aws.options import AIRFLOW as FIRST_AIRFLOW
from tools.aws.parameters import Promised, parameter_values, unknown, wrong
from tools.aws.stacks import DEAD, Stack, Stacks
from tools.aws.templates import AIRFLOW, NETWORK, TASKS, Template

#: Makes boto3's client of a service.
Clients = Callable[[str], Any]
#: What a network gives to whom.
ASSIGN_PUBLIC_IP = {"public": "ENABLED", "private": "DISABLED"}
#: What a whole Airflow calls from private subnets, besides what ECS tasks do: ECS, Secrets Manager, and Session Manager, by
#: which a user reaches the API server. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/vpc-endpoints.html
ENDPOINTS = ("EcsEndpoint", "SecretsEndpoint", "SessionEndpoint")
#: What deploy makes, in this order.
MADE = (NETWORK, TASKS, AIRFLOW)
#: The first release that airflow.yaml is for.
WHOLE_SINCE = (3, 3)


@dataclass(frozen=True)
class Step:
    """One stack, and what it is to be made of."""

    template: Template
    values: dict[str, str]
    """The values of all parameters."""

    stack: Stack | None
    """What is there and can be updated."""

    dead: Stack | None
    """What is there and must be deleted first."""

    after_others: bool
    """Whether it needs outputs of a stack that is not there yet."""

    @property
    def upgrades(self) -> bool:
        """
        Whether another release of Airflow comes to the database, or may come to it.

        Its schedulers must not run meanwhile. Only the tags of images say which release they have.
        """
        if self.stack is None or self.template is not AIRFLOW:
            return False
        before, after = self.stack.parameters["Image"], self.values["Image"]
        releases = {image.release(name.rpartition(":")[2]) for name in (before, after)}
        return before != after and (None in releases or len(releases) > 1)


class Plan:
    """
    The stacks that one run makes or brings up to date.

    :param given: the command's options
    :param clients: makes boto3's client of a service
    """

    def __init__(self, given: argparse.Namespace, clients: Clients, stacks: Stacks) -> None:
        self._given = given
        self._parameters = dict(given.parameter)
        self._clients = clients
        self._stacks = stacks
        self.is_whole = not given.tasks_only

    def steps(self) -> list[Step]:
        """Return the steps in their order, with what is known now; raise DeploymentError, with all mistakes, if one is wrong."""
        self._refuse_unknown()
        steps = [*self._steps()]
        mistakes: dict[str, str] = {}
        for step in steps:
            # What two templates have is told once.
            for about, said in wrong(step.template, step.values).items():
                mistakes.setdefault(about, said)
        if mistakes:
            raise DeploymentError("\n".join(mistakes.values()))
        return steps

    def _steps(self) -> Iterator[Step]:
        known: dict[str, str] = {"DeploymentName": self._given.name}
        promised = False
        for template in MADE:
            living, dead = self._found(template)
            if not self._is_made(template, living):
                continue
            values = self._values(template, living, known)
            yield Step(template, values, living, dead, promised)
            known |= {**values, **self._outputs(template, living)}
            promised |= living is None

    def find(self, template: Template) -> Stack | None:
        """Return the deployment's stack of a template."""
        return self._stacks.find(template.stack_name(self._given.name))

    def living(self, template: Template) -> Stack | None:
        """Return the deployment's stack of a template if it can be updated."""
        return self._found(template)[0]

    def _found(self, template: Template) -> tuple[Stack | None, Stack | None]:
        """Return the stack of a template if it can be updated, and if it must be deleted."""
        stack = self.find(template)
        return (None, stack) if stack and stack.status in DEAD else (stack, None)

    def _is_made(self, template: Template, living: Stack | None) -> bool:
        if template is NETWORK:
            return bool(self._given.network or living)
        return template is not AIRFLOW or self.is_whole

    def _outputs(self, template: Template, living: Stack | None) -> Mapping[str, str]:
        if living:
            return living.outputs
        return dict.fromkeys(template.outputs, Promised(f"(of {template.stack_name(self._given.name)})"))

    def _values(self, template: Template, living: Stack | None, known: Mapping[str, str]) -> dict[str, str]:
        """Return the values of a stack's parameters: --parameter first, then what comes of options and earlier stacks."""
        has = living.parameters if living else {}
        known = {**known, **self._options(), **self._parameters}
        known |= {**self._derived(template, known, has), **self._parameters}
        return parameter_values(template, known, has)

    def _options(self) -> dict[str, str]:
        given = self._given
        options = {
            "VpcId": given.vpc, "SubnetIds": given.subnets, "Kind": given.network,
            "AssignPublicIp": ASSIGN_PUBLIC_IP.get(given.network),
        }  # fmt: skip
        return {name: value for name, value in options.items() if value}

    def _derived(
        self, template: Template, known: Mapping[str, str], has: Mapping[str, str]
    ) -> dict[str, str]:
        if template is TASKS:
            return self._of_tasks({**has, **known}, has)
        if template is AIRFLOW:
            return self._of_airflow(known, has)
        if not self.is_whole:
            return {}
        return dict.fromkeys(ENDPOINTS, "yes") if {**has, **known}["Kind"] == "private" else {}

    def _of_tasks(self, known: Mapping[str, str], has: Mapping[str, str]) -> dict[str, str]:
        given, own = self._given, image.parameter(known)
        self._refuse_to_build(own, given.image or known.get(own))
        values = {}
        if given.image:
            values[own] = given.image
        if given.airflow or not has:
            values["ImageTag"] = given.airflow or FIRST_AIRFLOW
        if self.is_whole:
            values["ExecutionApiUrl"] = AIRFLOW.evaluation({"DeploymentName": given.name}).resolved(
                AIRFLOW.outputs["ExecutionApiUrl"]
            )
        return values

    def _refuse_to_build(self, parameter: str, given_image: str | None) -> None:
        """Raise DeploymentError where options choose what is built, and an image is given."""
        airflow, tag = self._given.airflow, self._parameters.get("ImageTag")
        if given_image and (airflow or tag):
            option = f"--airflow {airflow}" if airflow else f"--parameter ImageTag={tag}"
            raise DeploymentError(
                f"{option}: this deployment has an image that it was given, {given_image}. Give the next one by --image, or "
                f"take it back by --parameter {parameter}= beside this option."
            )

    def _of_airflow(self, known: Mapping[str, str], has: Mapping[str, str]) -> dict[str, str]:
        name, is_given = image.of_tasks(known, known)
        release = image.release(known["ImageTag"])
        if not is_given and release and release[:2] < WHOLE_SINCE:
            raise DeploymentError(
                f"--airflow {known['ImageTag']}: a whole Airflow is 3.3 or newer. Give a newer one, or --tasks-only."
            )
        if not is_given and isinstance(known["RepositoryUri"], Promised):
            name = Promised(name)
        values = {"Image": name, "Paused": "no"}
        return values if has else {**values, **self._of_new_airflow(known, is_given)}

    def _of_new_airflow(self, known: Mapping[str, str], is_given: bool) -> dict[str, str]:
        """Return what a whole Airflow has at first, and what the user may change then."""
        return {
            "AllowedCidr": known.get("AllowedCidr") or known.get("VpcCidr") or self._cidr(known["VpcId"]),
            "LoadBalancerSubnets": known["SubnetIds"],
            # Without it nobody who has no way into the VPC reaches an internal load balancer.
            "EnableExecuteCommand": "true",
            # The image that deploy builds has none.
            "Dags": "image" if is_given else "bucket",
        }

    def _cidr(self, vpc: str) -> str:
        """Return the addresses of a VPC that somebody else has made."""
        (found,) = self._clients("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"]
        return str(found["CidrBlock"])

    def _refuse_unknown(self) -> None:
        made = [template for template in MADE if self._is_made(template, self.living(template))]
        if said := unknown(self._parameters, made):
            raise DeploymentError(said)

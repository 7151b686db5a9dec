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
"""What deploy refuses before anything is made, since AWS would do it half or not at all."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from tools.aws import image, vpc
from tools.aws.errors import DeploymentError
from tools.aws.explanations import NAMED
from tools.aws.parameters import OPTIONS
from tools.aws.templates import AIRFLOW, NETWORK, TASKS, Template

if TYPE_CHECKING:
    from tools.aws.plan import Clients
    from tools.aws.stacks import Stack

#: Returns the deployment's stack of a template, None where there is none that can be updated.
Living = Callable[[Template], "Stack | None"]
OTHERWISE = "Take another --name, or destroy this one first (scripts/aws/destroy)."


def refuse(given: argparse.Namespace, clients: Clients, living: Living) -> None:
    """
    Raise DeploymentError, with all mistakes, where options ask for what cannot be.

    :param given: the command's options
    :param clients: makes boto3's client of a service
    """
    parameters, tasks = dict(given.parameter), living(TASKS)
    values = {**(tasks.parameters if tasks else {}), **parameters}
    mistakes = [
        *_given_by_options(parameters, image.parameter(values)),
        *_other_network(given, living),
        *_other_access(parameters, living(AIRFLOW)),
        *_other_region(parameters.get("CertificateArn", ""), clients("ec2").meta.region_name),
    ]
    if given.vpc and not mistakes:
        mistakes += vpc.mistakes(clients("ec2"), given.vpc, given.subnets.split(","), not given.tasks_only)
    if mistakes:
        raise DeploymentError("\n".join(mistakes))


def _given_by_options(parameters: Mapping[str, str], own_image: str) -> Iterator[str]:
    """Two ways to say the same could differ; an empty ``own_image`` takes back what --image has given."""
    for name in ("DeploymentName", "Kind", "VpcId", "SubnetIds", "Image", own_image):
        if name in parameters and not (name == own_image and not parameters[name]):
            yield f"--parameter {name}={parameters[name]}: use {OPTIONS[name]}."


def _other_network(given: argparse.Namespace, living: Living) -> Iterator[str]:
    """Neither the kind of a network nor the VPC of security groups, load balancer and database can be changed."""
    network, tasks = living(NETWORK), living(TASKS)
    if network:
        kind = network.parameters.get("Kind")
        if given.network and given.network != kind:
            yield f"{given.name} has a {kind} network: --network can be chosen only when a deployment is made. {OTHERWISE}"
        if given.vpc:
            yield (
                f"{given.name} has a network of its own, {network.name}: leave --vpc and --subnets out to keep it. {OTHERWISE}"
            )
    elif tasks and (given.network or given.vpc not in (None, tasks.parameters["VpcId"])):
        yield (
            f"{given.name} is in {tasks.parameters['VpcId']}, which cannot be changed: leave --network, or --vpc and --subnets, "
            f"out to keep it. {OTHERWISE}"
        )


def _other_access(parameters: Mapping[str, str], airflow: Stack | None) -> Iterator[str]:
    """Another scheme is another load balancer: its name is taken."""
    if airflow and (has := airflow.parameters.get("Access")) != parameters.get("Access", has):
        yield f"--parameter Access={parameters['Access']}: {airflow.name} has {has}. {NAMED}"


def _other_region(certificate: str, region: str) -> Iterator[str]:
    """https://docs.aws.amazon.com/acm/latest/userguide/acm-regions.html."""
    parts = certificate.split(":")
    if len(parts) > 3 and parts[3] != region:
        yield (
            f"--parameter CertificateArn={certificate}: the load balancer is in {region} and takes a certificate of that Region "
            "alone. Request it there."
        )

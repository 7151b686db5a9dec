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
"""tasks.yaml makes what the quick start makes by hand, and ends in options that the executor takes."""

from __future__ import annotations

import configparser

import pytest

from airflow.executors.fargate.aws.sizes import SIZES, mistake

from tests.aws.plans import ALL, API, GIVEN, MOST, SECRET, STACKS, allows, stack
from tests.documentation.conftest import read_config, service_model
from tests.security.test_permissions import REPOSITORY, blocks

#: The reader of options is the one that the documentation's snippets are read with.
__all__ = ["read_config", "service_model"]

QUICK_START = REPOSITORY / "docs" / "executor" / "fargate.rst"


def test_one_way_to_airflow_is_asked_for():
    """On Airflow 3 the address of the execution API, on Airflow 2 the database's."""
    (assertion,) = ALL["tasks"]["Rules"]["TasksReachAirflow"]["Assertions"]
    for given, fits in (({}, False), (API, True), ({"DatabaseSecretArn": SECRET}, True)):
        assert stack("tasks", **given).resolve(assertion["Assert"]) is fits


def test_the_task_definition_is_that_of_the_quick_start():
    """What the page makes by hand is what the template makes; only what CloudFormation adds differs."""
    (by_hand,) = (block for block in blocks(QUICK_START, "rst") if "family" in block)
    made = lower(STACKS["tasks"].resources()["TaskDefinitionX86"]["Properties"])
    assert made.pop("tags") == [{"key": "airflow:deployment", "value": "airflow"}]
    assert made.pop("runtimePlatform") == {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}
    assert made["containerDefinitions"][0].pop("secrets") == []
    assert made == by_hand


def lower(value):
    """Return CloudFormation's names of properties as the API of ECS has them."""
    if isinstance(value, list):
        return [lower(one) for one in value]
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: lower(one) for name, one in value.items()}
    return value


def test_the_two_task_definitions_differ_in_name_processor_and_image_only():
    """What is changed in one of them must be changed in the other."""
    made = stack("tasks", **API, ImageX86="airflow:1", ImageArm64="airflow:2").resources()
    x86, arm64 = (made[f"TaskDefinition{name}"]["Properties"] for name in ("X86", "Arm64"))
    assert arm64.pop("Family") == x86.pop("Family") + "-arm64"
    processors = [one.pop("RuntimePlatform")["CpuArchitecture"] for one in (x86, arm64)]
    assert processors == ["X86_64", "ARM64"]
    assert [one["ContainerDefinitions"][0].pop("Image") for one in (x86, arm64)] == ["airflow:1", "airflow:2"]
    assert x86 == arm64


def test_airflow_2_has_its_database_as_a_secret():
    """Its address has a password, which must not stand in the task definition."""
    made = stack("tasks", DatabaseSecretArn=SECRET).resources()["TaskDefinitionX86"]
    (container,) = made["Properties"]["ContainerDefinitions"]
    assert container["Environment"] == []
    assert container["Secrets"] == [{"Name": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "ValueFrom": SECRET}]


def test_sizes_are_those_of_fargate():
    """The template offers each CPU that Fargate has, and its default is a pair."""
    declared = ALL["tasks"]["Parameters"]
    assert declared["TaskCpu"]["AllowedValues"] == [str(cpu) for cpu in SIZES]
    assert all(allows(declared["TaskMemory"], str(mib)) for amounts in SIZES.values() for mib in amounts)
    assert mistake(declared["TaskCpu"]["Default"], declared["TaskMemory"]["Default"]) is None


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_the_outputs_are_options_that_the_executor_takes(read_config, architecture):
    """The section is read without a mistake, and says what the single outputs say."""
    outputs = stack("tasks", **API, Architecture=architecture, AssignPublicIp="DISABLED").outputs()
    parser = configparser.ConfigParser()
    parser.read_string(outputs["FargateSection"])
    assert parser.sections() == ["fargate"]
    section = dict(parser["fargate"])
    read_config(section)
    assert section == {
        "region": "eu-west-1",
        "cluster": outputs["ClusterName"],
        "task_definition": outputs["TaskDefinition"],
        "container_name": outputs["ContainerName"],
        "subnets": GIVEN["List<AWS::EC2::Subnet::Id>"],
        "security_groups": outputs["SecurityGroupId"],
        "assign_public_ip": "DISABLED",
        "deployment": "airflow",
    }
    assert outputs["TaskDefinition"] == ("airflow-task-arm64" if architecture == "ARM64" else "airflow-task")


def test_outputs_name_what_they_say():
    made = STACKS["tasks"]
    outputs = made.outputs()
    assert outputs.pop("FargateSection").startswith("[fargate]\n")
    assert outputs == {
        "ClusterName": "airflow",
        "TaskDefinition": "airflow-task",
        "TaskDefinitionX86Arn": "airflow-task",
        "TaskDefinitionArm64Arn": "airflow-task-arm64",
        "ContainerName": "airflow",
        "SecurityGroupId": made.attribute("SecurityGroup", "Ref"),
        "RepositoryUri": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/airflow",
        "LogGroupName": "/ecs/airflow",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/airflow-execution",
        "TaskRoleArn": "arn:aws:iam::123456789012:role/airflow-task",
        "SchedulerPolicyArn": "airflow-scheduler",
        "ApiServerPolicyArn": "airflow-api-server",
    }


def test_tasks_reach_the_api_server_by_its_port():
    """The rule is in the API server's group, for the group of tasks."""
    made = stack("tasks", **MOST, ApiServerPort="9090")
    rule = made.resources()["ApiServerIngress"]["Properties"]
    assert rule["GroupId"] == MOST["ApiServerSecurityGroupId"]
    assert rule["SourceSecurityGroupId"] == made.attribute("SecurityGroup", "Ref")
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", "9090", "9090")


def test_the_longest_section_fits_into_an_output():
    """An output has at most 1,024 bytes, and the executor takes 16 subnets."""
    subnets = ",".join(["subnet-0123456789abcdef0"] * 16)
    made = stack("tasks", **API, DeploymentName="a" * 30, SubnetIds=subnets)
    assert len(made.outputs()["FargateSection"].encode()) <= 1024

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
"""The templates are in good form, allow the least that works, and end in options that the executor takes."""

from __future__ import annotations

import configparser
import ipaddress
import json
import re
import subprocess

import pytest
from tools.harness.environment import locked_environment
from tools.harness.releases import NEWEST, RELEASES

from airflow.executors.fargate.aws.sizes import SIZES, mistake

from tests.aws.resolver import TEMPLATES, Plan, read
from tests.documentation.conftest import read_config, service_model
from tests.security.test_permissions import NO_RESOURCE, REPOSITORY, blocks, statements

#: The reader of options is the one that the documentation's snippets are read with.
__all__ = ["read_config", "service_model"]

ALL = {path.stem: read(path) for path in sorted(TEMPLATES.glob("*.yaml"))}
#: What a template without defaults of its own is given, by the type of the parameter or by its name.
GIVEN = {
    "AWS::EC2::VPC::Id": "vpc-0123456789abcdef0",
    "List<AWS::EC2::Subnet::Id>": "subnet-0123456789abcdef0,subnet-0fedcba9876543210",
}
API = {"ExecutionApiUrl": "http://airflow-api.internal:8080/execution/", "ImageTag": "3.3.2"}
QUICK_START = REPOSITORY / "docs" / "executor" / "fargate.rst"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:database-a1b2c3"
#: Every parameter of tasks.yaml that adds something.
MOST = {
    **API,
    "DatabaseSecretArn": SECRET,
    "SecretArns": f"{SECRET}4,{SECRET}5",
    "ImageX86": "apache/airflow:3.3.2",
    "ImageArm64": "apache/airflow:3.3.2",
    "ImageRepositoryArn": "arn:aws:ecr:eu-west-1:123456789012:repository/elsewhere",
    "ApiServerSecurityGroupId": "sg-0fedcba9876543210",
    "SchedulerRoleName": "airflow-scheduler",
    "ApiServerRoleName": "airflow-api",
    "TaskPolicyArns": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess",
    "LogKmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/0123abcd",
}
PRIVATE = {"Kind": "private", "EcsEndpoint": "yes", "SecretsEndpoint": "yes"}
#: What must be listed without an instance, the only resource that AWS takes for it; the cluster is a condition.
LIST_TASKS = "ecs:ListTasks"
#: For what AWS takes no resource that would fit.
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
#: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
ANY_RESOURCE = {*NO_RESOURCE, LIST_TASKS, "ecr:GetAuthorizationToken"}
#: Prints which of the types that it is given take tags from CloudFormation.
TAGGABLE = """
import json, sys
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER as schemas
found = {name: schemas.get_resource_schema("us-east-1", name).schema for name in sys.argv[1:]}
print(json.dumps([name for name, schema in found.items() if "Tags" in schema["properties"]]))
"""


def stack(name, **given):
    """Return a template with these parameters, and with stand-ins for those without default."""
    declared = ALL[name]["Parameters"].items()
    needed = {
        one: GIVEN[what["Type"]] for one, what in declared if "Default" not in what and what["Type"] in GIVEN
    }
    return Plan(ALL[name], {**needed, **given})


STACKS = {
    "tasks": stack("tasks", **API),
    "tasks with all": stack("tasks", **MOST),
    "network, public": stack("network"),
    "network, private": stack("network", **PRIVATE),
}
each_template = pytest.mark.parametrize("template", ALL.values(), ids=ALL)
each_stack = pytest.mark.parametrize("made", STACKS.values(), ids=STACKS)


def policies(made):
    """Yield the policies of a stack that grant something, with their names."""
    for name, resource in made.resources().items():
        properties = resource["Properties"]
        if "PolicyDocument" in properties:
            yield name, properties["PolicyDocument"]
        for policy in properties.get("Policies", []):
            yield f"{name}-{policy['PolicyName']}", policy["PolicyDocument"]


def policy(made, name):
    """Return the statements of one policy by their Sid."""
    return {statement["Sid"]: statement for statement in dict(policies(made))[name]["Statement"]}


def as_list(value):
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def programs():
    """Return the folder with cfn-lint and parliament."""
    return locked_environment("templates", RELEASES[NEWEST]) / "bin"


@pytest.mark.parametrize("name", ALL)
def test_cfn_lint_finds_nothing(programs, name):
    """Neither an error nor a warning."""
    done = subprocess.run(
        [programs / "cfn-lint", "--", TEMPLATES / f"{name}.yaml"], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


@each_stack
def test_parliament_finds_nothing(programs, tmp_path, made):
    """Each action exists, and takes the resources and conditions that it has; a wrong one is found."""
    for name, document in policies(made):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    wrong = {"Effect": "Allow", "Action": "ecs:RunTasks", "Resource": "*"}
    (tmp_path / "wrong.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [wrong]}))
    command = [programs / "parliament", "--directory", tmp_path, "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    details = [json.loads(line)["detail"] for line in done.stdout.splitlines()]
    assert [one for one in details if one != [LIST_TASKS]] == ["Unknown action ecs:RunTasks"], done.stderr


def test_the_schedulers_policy_is_the_documented_one():
    """The statements are those of the page, with one task definition more."""
    documented = {statement["Sid"]: statement for statement in statements()}
    family = documented["Launch"]["Resource"]
    documented["Launch"]["Resource"] = [family, family.replace("airflow-task:", "airflow-task-arm64:")]
    assert policy(STACKS["tasks"], "SchedulerPolicy") == documented


def test_the_api_servers_policy_is_the_documented_one():
    """It has two statements of the scheduler's, and one action of a third."""
    documented = {statement["Sid"]: statement for statement in statements("FindLogs", "ReadLogs")}
    (follow,) = statements("FollowAndStop")
    documented["Follow"] = {**follow, "Sid": "Follow", "Action": "ecs:DescribeTasks"}
    assert policy(STACKS["tasks"], "ApiServerPolicy") == documented


def test_policies_are_given_to_the_roles_that_are_named():
    """Without a name a policy is only made."""
    for name, roles in (
        ("tasks", [None, None]),
        ("tasks with all", [["airflow-scheduler"], ["airflow-api"]]),
    ):
        made = STACKS[name].resources()
        both = [made[f"{one}Policy"]["Properties"] for one in ("Scheduler", "ApiServer")]
        assert [one.get("Roles") for one in both] == roles


@each_stack
def test_no_resource_is_a_wildcard_where_aws_takes_one(made):
    """Each statement names actions, and resources by this deployment's names."""
    for _, document in policies(made):
        for statement in document["Statement"]:
            asked = set(as_list(statement["Action"]))
            assert "*" not in str(asked)
            assert "*" not in as_list(statement["Resource"]) or asked <= ANY_RESOURCE, statement
            assert LIST_TASKS not in asked or "ecs:cluster" in str(statement["Condition"])


@pytest.mark.parametrize(
    ("parameters", "readable"),
    [
        pytest.param({}, [], id="none"),
        pytest.param({"DatabaseSecretArn": SECRET}, [SECRET], id="the database"),
        pytest.param({"SecretArns": f"{SECRET}4,{SECRET}5"}, [f"{SECRET}4", f"{SECRET}5"], id="further ones"),
    ],
)
def test_the_execution_role_reads_only_secrets_that_are_named(parameters, readable):
    """No parameter, no permission."""
    found = policy(stack("tasks", **API, **parameters), "ExecutionRole-start-tasks").values()
    read = [one["Resource"] for one in found if "secretsmanager" in one["Action"]]
    assert [secret for resource in read for secret in as_list(resource)] == readable


@each_template
def test_each_parameter_says_what_it_is_and_what_it_may_be(template):
    """It has words, a constraint with words, a default that it allows, and a place among the groups."""
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(template["Parameters"])
    for name, declared in template["Parameters"].items():
        assert declared["Description"], name
        assert declared["ConstraintDescription"], name
        constraints = {"AllowedPattern", "AllowedValues", "MinValue"} & {*declared}
        assert constraints or "AWS::" in declared["Type"], name
        if "Default" in declared:
            assert allows(declared, declared["Default"]), name


def allows(declared, value):
    """Whether a parameter takes a value, as CloudFormation decides it."""
    if "MinValue" in declared:
        return declared["MinValue"] <= int(value) <= declared["MaxValue"]
    if "AllowedValues" in declared:
        return value in declared["AllowedValues"]
    lengths = declared.get("MinLength", 0), declared.get("MaxLength", 4096)
    matches = re.fullmatch(declared["AllowedPattern"], value)
    return bool(matches) and lengths[0] <= len(value) <= lengths[1]


@pytest.mark.parametrize(
    ("name", "parameter", "value", "allowed"),
    [
        ("tasks", "DeploymentName", "airflow-2", True),
        ("tasks", "DeploymentName", "Airflow", False),
        ("tasks", "DeploymentName", "airflow-", False),
        ("tasks", "DeploymentName", "a" * 33, False),
        ("tasks", "ExecutionApiUrl", "https://airflow.example.com/execution/", True),
        ("tasks", "ExecutionApiUrl", "https://airflow.example.com", False),
        ("tasks", "ExecutionApiUrl", "airflow:8080/execution/", False),
        ("tasks", "DatabaseSecretArn", SECRET, True),
        ("tasks", "DatabaseSecretArn", f"{SECRET}:key::", False),
        ("tasks", "DatabaseSecretArn", "postgresql://airflow:secret@database/airflow", False),
        ("tasks", "SecretArns", "*", False),
        ("tasks", "ImageTag", "3.3.2-1", True),
        ("tasks", "ImageTag", "airflow:3.3.2", False),
        ("tasks", "ImageX86", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/airflow@sha256:0123", True),
        ("tasks", "ImageX86", "two words", False),
        ("tasks", "ImageRepositoryArn", MOST["ImageRepositoryArn"], True),
        ("tasks", "ImageRepositoryArn", "arn:aws:ecr:eu-west-1:123456789012:repository/*", False),
        ("tasks", "ApiServerSecurityGroupId", "airflow-api", False),
        ("tasks", "SchedulerRoleName", "arn:aws:iam::123456789012:role/airflow", False),
        ("tasks", "TaskPolicyArns", "arn:aws:iam::123456789012:policy/team/read", True),
        ("tasks", "TaskPolicyArns", "AdministratorAccess", False),
        ("tasks", "TaskMemory", "512", True),
        ("tasks", "TaskMemory", "2 GB", False),
        ("tasks", "LogRetentionDays", 2, False),
        ("tasks", "LogKmsKeyArn", "alias/logs", False),
        ("network", "VpcCidr", "172.31.0.0/16", True),
        ("network", "VpcCidr", "192.168.0.0/19", True),
        ("network", "VpcCidr", "192.168.0.0/24", False),
        ("network", "VpcCidr", "8.8.0.0/16", False),
    ],
)
def test_a_parameter_takes_what_fits_and_nothing_else(name, parameter, value, allowed):
    """A wrong value is refused before anything is made."""
    assert allows(ALL[name]["Parameters"][parameter], value) is allowed


def test_one_way_to_airflow_is_asked_for():
    """On Airflow 3 the address of the execution API, on Airflow 2 the database's."""
    (assertion,) = ALL["tasks"]["Rules"]["TasksReachAirflow"]["Assertions"]
    for given, fits in (({}, False), (API, True), ({"DatabaseSecretArn": SECRET}, True)):
        assert stack("tasks", **given).resolve(assertion["Assert"]) is fits


@each_template
def test_whatever_takes_tags_has_the_deployments(programs, template):
    """The tag that the executor gives to ECS tasks, too, by which bills can be split."""
    resources = template["Resources"]
    types = sorted({resource["Type"] for resource in resources.values()})
    listed = subprocess.check_output([programs / "python", "-c", TAGGABLE, *types], text=True)
    for name, resource in resources.items():
        if resource["Type"] in json.loads(listed):
            found = tags(resource["Properties"].get("Tags", []))
            assert found.get("airflow:deployment") == {"Ref": "DeploymentName"}, name


def tags(given):
    """Return the tags of a resource by their keys; a parameter of Systems Manager has them so in its template."""
    return given if isinstance(given, dict) else {one["Key"]: one["Value"] for one in given}


@each_stack
def test_nothing_can_be_reached_from_outside(made):
    """No security group lets in what comes from elsewhere, and no subnet hands out public addresses."""
    for name, resource in made.resources().items():
        properties = resource["Properties"]
        rules = [properties, *properties.get("SecurityGroupIngress", [])]
        assert all(ipaddress.ip_network(rule["CidrIp"]).is_private for rule in rules if "CidrIp" in rule), (
            name
        )
        assert properties.get("MapPublicIpOnLaunch") in (None, False), name


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


def test_the_longest_section_fits_into_an_output():
    """An output has at most 1,024 bytes, and the executor takes 16 subnets."""
    subnets = ",".join(["subnet-0123456789abcdef0"] * 16)
    made = stack("tasks", **API, DeploymentName="a" * 32, SubnetIds=subnets)
    assert len(made.outputs()["FargateSection"].encode()) <= 1024


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "192.168.32.0/19"])
def test_the_subnets_are_apart_and_in_two_zones(cidr):
    """Each has 4096 addresses of the VPC's."""
    made = stack("network", VpcCidr=cidr).resources()
    both = [made[name]["Properties"] for name in ("SubnetA", "SubnetB")]
    first, second = (ipaddress.ip_network(one["CidrBlock"]) for one in both)
    assert first.num_addresses == second.num_addresses == 4096
    assert not first.overlaps(second)
    assert first.subnet_of(ipaddress.ip_network(cidr))
    assert second.subnet_of(ipaddress.ip_network(cidr))
    assert len({one["AvailabilityZone"] for one in both}) == 2


@pytest.mark.parametrize(
    ("parameters", "assign_public_ip", "endpoints"),
    [
        ({}, "ENABLED", ""),
        ({"EcsEndpoint": "yes", "SecretsEndpoint": "yes"}, "ENABLED", ""),
        ({"Kind": "private"}, "DISABLED", "ecr.api ecr.dkr logs s3"),
        (PRIVATE, "DISABLED", "ecr.api ecr.dkr ecs logs s3 secretsmanager"),
    ],
)
def test_a_kind_has_one_way_out(parameters, assign_public_ip, endpoints):
    """An internet gateway, or endpoints; the output says what the executor must ask for."""
    made = stack("network", **parameters)
    resources = made.resources()
    of_type = {resource["Type"] for resource in resources.values()}
    services = [one["Properties"].get("ServiceName", "") for one in resources.values()]
    prefix = "com.amazonaws.eu-west-1."
    assert ("AWS::EC2::InternetGateway" in of_type) == ("AWS::EC2::Route" in of_type) == (not endpoints)
    assert sorted(name.removeprefix(prefix) for name in services if name) == endpoints.split()
    assert made.outputs()["AssignPublicIp"] == assign_public_ip


def test_what_the_network_costs_is_said():
    """Each interface endpoint, and nothing else, has the price of two Availability Zones; the parameters add them up."""
    hourly = 2 * 0.01  # https://aws.amazon.com/privatelink/pricing/
    made = stack("network", **PRIVATE).resources()
    for name, resource in made.items():
        billed = resource["Properties"].get("VpcEndpointType") == "Interface"
        assert resource.get("Metadata", {}) == ({"HourlyCost": hourly} if billed else {}), name
    parameters = ALL["network"]["Parameters"]
    assert f"three cost {3 * hourly} US$ an hour" in parameters["Kind"]["Description"]
    for name in ("EcsEndpoint", "SecretsEndpoint"):
        assert f"{hourly} US$ an hour" in parameters[name]["Description"]

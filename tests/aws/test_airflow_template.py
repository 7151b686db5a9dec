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
"""The parts of a whole Airflow reach each other, and have what tasks.yaml makes; where its Dags are; what it costs."""

from __future__ import annotations

import re

import pytest

from tests.aws.plans import STACKS, stack
from tests.aws.resolver import TEMPLATES
from tests.aws.whole_airflow import Whole
from tests.documentation.test_cost import dollars


@pytest.mark.parametrize(
    ("parameters", "classpath", "kwargs"),
    [
        ({}, "airflow.dag_processing.bundles.local.LocalDagBundle", {}),
        (
            {"Dags": "bucket", "DagsBucket": "ours", "DagsFolder": ""},
            "airflow.providers.amazon.aws.bundles.s3.S3DagBundle",
            {"bucket_name": "ours", "prefix": "", "aws_conn_id": None},
        ),
        (
            {"Dags": "git", "DagsRepository": "https://git.example/dags.git"},
            "airflow.providers.git.bundles.git.GitDagBundle",
            {"repo_url": "https://git.example/dags.git", "tracking_ref": "main", "subdir": "dags"},
        ),
    ],
)
def test_dags_come_from_where_they_are(parameters, classpath, kwargs):
    """What reads Dags has the bundle that the parameters ask for, and the bucket may be read where it is one."""
    stack = Whole("eu-west-1", Image="any", **parameters)
    for definition in (
        "TaskDefinition",
        "DagProcessorDefinition",
        "TriggererDefinition",
        "ApiServerDefinition",
    ):
        [bundle] = stack.bundles(definition)
        assert (bundle["classpath"], bundle["kwargs"]) == (classpath, kwargs)
    assert stack.holds("FromBucket") == classpath.endswith("S3DagBundle")


def test_the_cost_of_a_month_follows_from_the_prices():
    """The table in the template has the sizes that are its defaults, the prices of the page, and their sum."""
    text_of_template = (TEMPLATES / "airflow.yaml").read_text()
    rows = re.findall(r"^#   (\S.*?)  +(\d+\.\d\d)(?:  |$)", text_of_template, re.MULTILINE)
    costs = {name: float(cost) for name, cost in rows}
    together = costs.pop("Together")
    assert sum(costs.values()) == pytest.approx(together)
    stack = Whole("us-east-1")
    sized = [name.removesuffix("Cpu") for name in stack.template["Parameters"] if name.endswith("Cpu")]
    for name in sized:
        if name == "Task":
            continue
        vcpus, gb = (int(stack.parameter(f"{name}{what}")) / 1024 for what in ("Cpu", "Memory"))
        title = {"ApiServer": "API server", "DagProcessor": "Dag processor"}.get(name, name)
        cost = costs[f"{title}, {vcpus:g} vCPU, {gb:g} GB"]
        assert cost == pytest.approx(dollars(vcpus, gb, "x86", 730 * 3600), abs=0.006)


def group(made, name):
    """Return the id of a security group, that of tasks for None."""
    return made.attribute(name, "Ref") if name else made.parameter("SecurityGroupId")


@pytest.mark.parametrize(
    ("name", "port", "sources"),
    [
        ("LoadBalancerSecurityGroup", 443, ["10.0.0.0/16"]),
        ("ApiServerSecurityGroup", 8080, ["LoadBalancerSecurityGroup", None]),
        ("ComponentsSecurityGroup", 8794, ["ApiServerSecurityGroup"]),
        ("DatabaseSecurityGroup", 5432, ["ApiServerSecurityGroup", "ComponentsSecurityGroup"]),
    ],
)
def test_who_reaches_whom(name, port, sources):
    made = STACKS["airflow with all"]
    rules = made.resources()[name]["Properties"]["SecurityGroupIngress"]
    found = [one.get("SourceSecurityGroupId") or one["CidrIp"] for one in rules]
    assert found == [source if source and "/" in source else group(made, source) for source in sources]
    assert {(one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in rules} == {("tcp", port, port)}


@pytest.mark.parametrize(
    ("name", "groups", "paused", "more"),
    [
        ("ApiServer", ["ApiServerSecurityGroup"], 1, 2),
        ("Scheduler", ["ComponentsSecurityGroup"], 0, 2),
        ("DagProcessor", ["ComponentsSecurityGroup"], 0, 1),
        ("Triggerer", ["ComponentsSecurityGroup"], 0, 1),
    ],
)
def test_each_service_has_its_group_and_its_number(name, groups, paused, more):
    made = STACKS["airflow with all"]
    properties = made.resources()[name]["Properties"]
    network = properties["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["SecurityGroups"] == [group(made, one) for one in groups]
    assert network["Subnets"] == made.parameter("SubnetIds")
    assert network["AssignPublicIp"] == "ENABLED"
    assert properties["TaskDefinition"] == made.attribute(f"{name}Definition", "Ref")
    counts = [stack("airflow", Paused=is_paused).resources()[name] for is_paused in ("yes", "no")]
    assert [one["Properties"]["DesiredCount"] for one in counts] == [paused, 1]
    assert properties["DesiredCount"] == more


def test_the_api_server_has_one_port():
    """The container, the target group, the service, the health check's path, and the address that tasks have."""
    made = STACKS["airflow"]
    resources = {name: resource["Properties"] for name, resource in made.resources().items()}
    (container,) = resources["ApiServerDefinition"]["ContainerDefinitions"]
    assert container["PortMappings"] == [{"ContainerPort": 8080}]
    assert resources["ApiServer"]["LoadBalancers"] == [
        {
            "ContainerName": container["Name"],
            "ContainerPort": 8080,
            "TargetGroupArn": made.attribute("TargetGroup", "Ref"),
        }
    ]
    registry = made.attribute("ApiServerAddress", "Arn")
    assert resources["ApiServer"]["ServiceRegistries"] == [{"RegistryArn": registry}]
    assert (resources["TargetGroup"]["Port"], resources["TargetGroup"]["Protocol"]) == (8080, "HTTP")
    (task,) = resources["TaskDefinition"]["ContainerDefinitions"]
    plain = {entry["Name"]: entry["Value"] for entry in task["Environment"]}
    host = f"{resources['ApiServerAddress']['Name']}.{resources['Namespace']['Name']}"
    assert plain["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://{host}:8080/execution/"


@pytest.mark.parametrize(
    ("name", "port", "protocol", "certificates"),
    [
        ("airflow", 80, "HTTP", None),
        ("airflow with all", 443, "HTTPS", "arn:aws:acm:eu-west-1:123456789012:certificate/0123abcd"),
    ],
)
def test_users_come_by_https_where_there_is_a_certificate(name, port, protocol, certificates):
    made = STACKS[name].resources()
    listener = made["Listener"]["Properties"]
    assert (listener["Port"], listener["Protocol"]) == (port, protocol)
    found = [one["CertificateArn"] for one in listener.get("Certificates", [])]
    assert found == ([certificates] if certificates else [])
    (rule,) = made["LoadBalancerSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert rule["FromPort"] == port
    assert made["LoadBalancer"]["Properties"]["Scheme"] == ("internet-facing" if certificates else "internal")


def test_what_tasks_yaml_makes_is_found_by_its_name():
    """Its cluster, roles, policies, log group, repository and container have these names there."""
    ours, theirs = STACKS["airflow"].resources(), STACKS["tasks"].resources()
    made = {name: resource["Properties"] for name, resource in theirs.items()}
    outputs = STACKS["tasks"].outputs()
    definition, scheduler = (ours[name]["Properties"] for name in ("TaskDefinition", "SchedulerDefinition"))
    assert definition["ExecutionRoleArn"] == outputs["ExecutionRoleArn"]
    assert definition["TaskRoleArn"] == outputs["TaskRoleArn"]
    assert definition["Family"] == made["TaskDefinitionX86"]["Family"]
    (container,), (other,) = (one["ContainerDefinitions"] for one in (definition, made["TaskDefinitionX86"]))
    assert (container["Name"], container["LogConfiguration"]) == (other["Name"], other["LogConfiguration"])
    for role, policy in (("SchedulerRole", "SchedulerPolicy"), ("ApiServerRole", "ApiServerPolicy")):
        name = made[policy]["ManagedPolicyName"]
        assert ours[role]["Properties"]["ManagedPolicyArns"] == [f"arn:aws:iam::123456789012:policy/{name}"]
    for name, resource in ours.items():
        if resource["Type"] == "AWS::ECS::Service":
            assert resource["Properties"]["Cluster"] == outputs["ClusterName"], name
    (started,) = scheduler["ContainerDefinitions"]
    options = {one["Name"]: one["Value"] for one in started["Environment"]}
    assert options["AIRFLOW__FARGATE__CLUSTER"] == outputs["ClusterName"]
    assert options["AIRFLOW__FARGATE__CONTAINER_NAME"] == outputs["ContainerName"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("airflow", {"Url": "http://LoadBalancer.DNSName"}),
        ("airflow, a bucket that exists", {"Url": "http://LoadBalancer.DNSName", "DagsBucket": "ours"}),
        (
            "airflow with all",
            {
                "Url": "https://airflow.example.com",
                "DagsBucket": "airflow-dags-123456789012-eu-west-1",
            },
        ),
    ],
)
def test_outputs_name_what_they_say(name, expected):
    secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/admin-password-a1b2c3"
    api = "http://api.airflow.internal:8080/execution/"
    assert STACKS[name].outputs() == {"AdminPassword": secret, "ExecutionApiUrl": api, **expected}


CONNECTION = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "composed", ":connection::")
FERNET = ("AIRFLOW__CORE__FERNET_KEY", "composed", ":fernet_key::")
JWT = ("AIRFLOW__API_AUTH__JWT_SECRET", "jwt-secret", "")
API_KEY = ("AIRFLOW__API__SECRET_KEY", "api-secret-key", "")
ADMIN = ("ADMIN_PASSWORD", "admin-password", "")


@pytest.mark.parametrize(
    ("name", "role", "secrets"),
    [
        ("ApiServer", "airflow-api-server", [CONNECTION, FERNET, JWT, API_KEY, ADMIN]),
        ("Scheduler", "airflow-scheduler", [CONNECTION, FERNET, JWT]),
        ("DagProcessor", "airflow-dag-reader", [CONNECTION, FERNET]),
        ("Triggerer", "airflow-dag-reader", [CONNECTION, FERNET, API_KEY]),
    ],
)
def test_each_component_has_its_role_its_secrets_and_its_log(name, role, secrets):
    definition = STACKS["airflow"].resources()[f"{name}Definition"]["Properties"]
    roles = "arn:aws:iam::123456789012:role/"
    assert definition["ExecutionRoleArn"] == f"{roles}airflow-components-execution"
    assert definition["TaskRoleArn"] == f"{roles}{role}"
    (container,) = definition["ContainerDefinitions"]
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/"
    found = {one["Name"]: one["ValueFrom"] for one in container["Secrets"]}
    assert found == {variable: f"{arn}{secret}-a1b2c3{key}" for variable, secret, key in secrets}
    assert container["LogConfiguration"]["Options"]["awslogs-group"] == "/ecs/airflow-components"


def test_the_database_is_reached_where_it_is():
    made = STACKS["airflow with all"]
    resources = {name: resource["Properties"] for name, resource in made.resources().items()}
    assert resources["Database"]["VPCSecurityGroups"] == [group(made, "DatabaseSecurityGroup")]
    assert resources["DatabaseSubnets"]["SubnetIds"] == made.parameter("SubnetIds")
    assert "@Database.Endpoint.Address:5432/airflow" in resources["Composed"]["SecretString"]


def test_users_do_not_reach_the_execution_api():
    """The load balancer stands in its own subnets, and forwards all else."""
    made = STACKS["airflow with all"]
    resources = {name: resource["Properties"] for name, resource in made.resources().items()}
    assert resources["LoadBalancer"]["Subnets"] == made.parameter("LoadBalancerSubnets")
    assert resources["LoadBalancer"]["SecurityGroups"] == [group(made, "LoadBalancerSecurityGroup")]
    (condition,), (action,) = (resources["NotForUsers"][what] for what in ("Conditions", "Actions"))
    assert condition["PathPatternConfig"]["Values"] == ["/execution", "/execution/*"]
    assert action == {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403"}}


def test_the_log_is_kept_as_long_as_is_said():
    made = stack("airflow", LogRetentionDays="30").resources()["LogGroup"]["Properties"]
    assert made["RetentionInDays"] == "30"

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
"""The recipes do what they say: their options and tasks make the requests, their task definitions are fit for Fargate."""

from __future__ import annotations

import json
import re

import pytest
from tools.documentation.options import REPOSITORY
from tools.documentation.snippets import executor_configs, options_of, read

from airflow.executors.fargate.aws.sizes import mistake
from airflow.executors.fargate.launch import Launch, TaskInstanceId
from airflow.executors.fargate.request.builder import for_fargate

PAGE = REPOSITORY / "docs" / "executor" / "fargate-recipes.rst"
TASK = TaskInstanceId("dag", "task", "run", 1)
LABEL = re.compile(r"^\.\. _executor:FargateExecutor:recipes:([\w-]+):$")
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
SECRET = re.compile(
    r"arn:aws:(secretsmanager:[\w-]+:\d{12}:secret:[\w/]+(-[\w/]+)*-\w{6}(:[\w-]*:\w*:[\w-]*)?"
    r"|ssm:[\w-]+:\d{12}:parameter/[\w/]+)"
)
SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]


def recipes():
    """Return the snippets of each recipe, by its label."""
    found, lines = {}, PAGE.read_text(encoding="utf-8").splitlines()
    for snippet in read(PAGE):
        label = next(match[1] for line in reversed(lines[: snippet.line]) if (match := LABEL.match(line)))
        found.setdefault(label, {}).setdefault(snippet.language, []).append(snippet)
    return found


RECIPES = recipes()
DEFINITIONS = [
    json.loads(snippet.text)
    for kinds in (*RECIPES.values(), {"json": read(REPOSITORY / "docs" / "executor" / "fargate.rst")})
    for snippet in kinds.get("json", ())
    if '"containerDefinitions"' in snippet.text
]


def the(label, language, place=0):
    return RECIPES[label][language][place]


@pytest.fixture
def request_of(read_config, make_builder):
    """Return a function that makes the request of a launch with the options of a recipe."""

    def make(label=None, queue="default", executor_config=None):
        options = options_of(the(label, "ini"))["fargate"] if label else {}
        launch = Launch(TASK, TASK, command=("run",), executor_config=executor_config, queue=queue)
        return make_builder(read_config(options))(launch)

    return make


def test_all_recipes_are_there():
    """Those that a user of Fargate asks for."""
    wanted = {"spot", "queues", "disk", "gpu", "private-subnets", "dags", "secrets", "sidecar"}
    assert RECIPES.keys() == wanted


def test_spot_falls_back(request_of):
    """The first request asks for Spot alone, the one after a capacity failure for on-demand."""
    prepared = request_of("spot")
    assert prepared.request["capacityProviderStrategy"] == SPOT
    assert "launchType" not in prepared.request
    assert [item["capacityProvider"] for item in prepared.fallback["capacityProviderStrategy"]] == ["FARGATE"]


def test_a_task_can_ask_for_spot(request_of):
    """Without options, by its executor_config, and then it has retries."""
    task = the("spot", "python")
    [config] = executor_configs(task)
    assert request_of(executor_config=config).request["capacityProviderStrategy"] == SPOT
    assert "retries=" in task.text


@pytest.mark.parametrize(
    ("queue", "member", "value"),
    [
        ("large", "overrides.cpu", "4096"),
        ("large", "overrides.memory", "16384"),
        ("disk", "overrides.ephemeralStorage.sizeInGiB", 100),
        ("spot", "capacityProviderStrategy", SPOT),
        ("r", "taskDefinition", "airflow-task-with-r"),
        ("default", "taskDefinition", "airflow-task"),
        ("default", "overrides.cpu", None),
        ("default", "launchType", "FARGATE"),
    ],
)
def test_a_queue_has_its_size(request_of, queue, member, value):
    """Each queue of the recipe makes its own request, and any other queue that of the options."""
    found = request_of("queues", queue).request
    for name in member.split("."):
        found = found.get(name) if found else None
    assert found == value


def test_a_task_has_more_than_its_queue(request_of):
    """executor_config comes after the queue."""
    [config] = executor_configs(the("queues", "python", 1))
    overrides = request_of("queues", "large", config).request["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == ("4096", "30720")


def test_private_subnets_have_no_public_address(request_of):
    """The request says so."""
    network = request_of("private-subnets").request["networkConfiguration"]["awsvpcConfiguration"]
    assert network["assignPublicIp"] == "DISABLED"


def test_a_sidecar_gets_what_a_task_says(request_of):
    """By its name, beside the override of the task's own container; and that one is its name in the definition."""
    [config] = executor_configs(the("sidecar", "python"))
    overrides = request_of(executor_config=config).request["overrides"]["containerOverrides"]
    definition = json.loads(the("sidecar", "json").text)
    assert [o["name"] for o in overrides] == [c["name"] for c in definition["containerDefinitions"]]


def test_an_ebs_volume_is_that_of_the_task_definition(request_of):
    """The queue's request configures the volume that its task definition leaves open, and mounts."""
    definition, request = json.loads(the("disk", "json").text), request_of("disk", "ebs").request
    [volume] = request["volumeConfigurations"]
    assert (request["taskDefinition"], request["launchType"]) == (definition["family"], "FARGATE")
    assert definition["volumes"] == [{"name": volume["name"], "configuredAtLaunch": True}]
    assert "volumeConfigurations" not in request_of("disk").request


def test_a_task_can_have_another_volume_than_its_queue(request_of):
    """As the recipe says, the list of its executor_config replaces that of the queue."""
    volumes = [{"name": "scratch", "managedEBSVolume": {"roleArn": "arn:aws:iam::1:role/r", "sizeInGiB": 9}}]
    found = request_of("disk", "ebs", {"volumeConfigurations": volumes}).request["volumeConfigurations"]
    assert found == volumes


def test_a_gpu_is_asked_for_where_there_are_some(request_of):
    """Of instances, without what only Fargate takes, with a task definition for them, in the main container."""
    definition, request = json.loads(the("gpu", "json").text), request_of("gpu", "gpu").request
    assert "FARGATE" not in definition["requiresCompatibilities"]
    assert request["taskDefinition"] == definition["family"]
    assert [item["capacityProvider"] for item in request["capacityProviderStrategy"]] == ["gpu-instances"]
    assert not {"launchType", "platformVersion"} & request.keys()
    assert request["networkConfiguration"]["awsvpcConfiguration"].keys() == {"subnets"}
    [container] = request["overrides"]["containerOverrides"]
    assert container["resourceRequirements"] == [{"type": "GPU", "value": "1"}]
    assert (container["name"], container["command"]) == ("airflow", ["run"])


@pytest.mark.parametrize(
    ("secret", "ok"),
    [
        *(
            (s["valueFrom"], True)
            for d in DEFINITIONS
            for c in d["containerDefinitions"]
            for s in c.get("secrets", ())
        ),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/warehouse", False),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/login-AbCdEf:password", False),
    ],
)
def test_a_secret_is_named_as_aws_wants_it(secret, ok):
    """With AWS's six characters, and either nothing after them or three parts, of which some are empty."""
    assert bool(SECRET.fullmatch(secret)) is ok


@pytest.mark.parametrize("definition", [d for d in DEFINITIONS if d["family"] != "airflow-task-gpu"])
def test_a_task_definition_is_for_fargate(definition):
    """It offers Fargate with awsvpc in a size that there is, and one essential container, which runs the task."""
    assert definition["requiresCompatibilities"] == ["FARGATE"]
    assert definition["networkMode"] == "awsvpc"
    assert mistake(definition["cpu"], definition["memory"]) is None
    essential = [c["name"] for c in definition["containerDefinitions"] if c["essential"]]
    assert essential == ["airflow"]
    assert not any("entryPoint" in container for container in definition["containerDefinitions"])


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_what_a_task_definition_names_is_in_it(definition):
    """Volumes of mount points, and containers that others depend on, which have a health check where that counts."""
    volumes = {volume["name"] for volume in definition.get("volumes", ())}
    containers = {container["name"]: container for container in definition["containerDefinitions"]}
    for container in containers.values():
        assert {point["sourceVolume"] for point in container.get("mountPoints", ())} == volumes
        for other in container.get("dependsOn", ()):
            assert (other["condition"] == "HEALTHY") <= ("healthCheck" in containers[other["containerName"]])


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_a_task_definition_has_the_role_that_it_needs(definition):
    """AWS does not register one without an execution role that has secrets or the driver awslogs."""
    assert definition["executionRoleArn"]


def test_ours_and_theirs_have_the_defaults_that_are_told(read_config):
    """Of those options whose default differs, the page about moving over says what ours is."""
    config = read_config()
    assert (config.launch_type, config.conn_id) == ("FARGATE", None)
    network = for_fargate(config)["networkConfiguration"]["awsvpcConfiguration"]
    assert network["assignPublicIp"] == "ENABLED"
    assert read_config({"assign_public_ip": "False"}).assign_public_ip == "DISABLED"
    theirs = '[{"capacityProvider": "cp1", "weight": 5}, {"capacityProvider": "cp2", "weight": 1}]'
    ours = read_config({"capacity_provider_strategy": "cp1:5,cp2:1"})
    assert read_config({"capacity_provider_strategy": theirs}).capacity_provider_strategy == (
        ours.capacity_provider_strategy
    )

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
"""The options of the commands that deploy to AWS."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.aws.options import NAME, parse
from tools.aws.templates import AIRFLOW, ALL

#: The most bytes of a template that a request has.
#: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
TEMPLATE_BODY = 51_200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name=Airflow"], "'Airflow': 2 to 30 lower case letters"),
        (["--network=public", "--vpc=vpc-1", "--subnets=subnet-1"], "--network makes a VPC"),
        (["--vpc=vpc-1"], "--vpc and --subnets go together"),
        (["--vpc=vpc-1", "--subnets=subnet-1"], "the load balancer need two"),
        (["--vpc=my-vpc", "--subnets=subnet-1,subnet-2"], "--vpc: 'my-vpc': write the id of a VPC, vpc-..."),
        (["--vpc=vpc-1", "--subnets=subnet-1, subnet-2"], "--subnets: ' subnet-2': write ids of subnets"),
        (["--subnets=subnet-1"], "--vpc and --subnets go together"),
        (["--parameter=TaskCpu"], "'TaskCpu': write NAME=VALUE"),
        (["--airflow=3.4.0", "--image=i:1"], "--airflow is for the image that is built"),
        (["--airflow=3.4"], "'3.4': write Airflow's version, such as 3.3.2"),
        (["--task-only"], "unrecognized arguments: --task-only"),
    ],
)
def test_a_wrong_option_is_told(capsys, arguments, words):
    """Before anything is installed or asked of AWS."""
    with pytest.raises(SystemExit) as ended:
        parse("deploy", arguments, None)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_value_may_have_what_separates_it_from_its_name():
    given = parse("deploy", ["--parameter=BaseUrl=https://any?a=b", "--parameter=Paused="], None)
    assert given.parameter == [("BaseUrl", "https://any?a=b"), ("Paused", "")]


@pytest.mark.parametrize("command", ["status", "destroy"])
def test_the_options_of_deploy_are_its_own(capsys, command):
    with pytest.raises(SystemExit):
        parse(command, ["--tasks-only"], None)


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.kind)
def test_the_name_is_what_each_template_takes(template):
    """One pattern and one length, so that no stack refuses what an earlier one took."""
    declared = template.parameters["DeploymentName"]
    least, most = declared["MinLength"], declared["MaxLength"]
    assert f"(?=.{{{least},{most}}}$){declared['AllowedPattern']}" == NAME
    assert declared["ConstraintDescription"].startswith(f"{least} to {most} ")
    assert re.fullmatch(NAME, "a" * most)
    assert not re.fullmatch(NAME, "a" * (most + 1))


@pytest.mark.parametrize("template", ALL, ids=lambda template: template.kind)
def test_a_template_fits_into_a_request(template):
    assert len(template.body.encode()) <= TEMPLATE_BODY


def test_tasks_report_to_the_address_that_the_template_gives_out():
    """The output, from which deploy has it for the other task definitions, and Cloud Map's names."""
    values = {"DeploymentName": "any"}
    url = AIRFLOW.evaluation(values).resolved(AIRFLOW.outputs["ExecutionApiUrl"])
    made = AIRFLOW.resources(values)
    (container,) = made["TaskDefinition"]["Properties"]["ContainerDefinitions"]
    assert {"Name": "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "Value": url} in container["Environment"]
    names = [made[name]["Properties"]["Name"] for name in ("ApiServerAddress", "Namespace")]
    port = made["TargetGroup"]["Properties"]["Port"]
    assert url == f"http://{'.'.join(names)}:{port}/execution/"


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ([], "fargate-airflow.cfg"),
        (["--name=staging"], "fargate-staging.cfg"),
        (["--options-file=my.cfg"], "my.cfg"),
    ],
)
def test_each_deployment_has_its_file_of_options(options, file):
    assert parse("deploy", options, None).options_file == Path(file)

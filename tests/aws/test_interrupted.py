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
"""The commands as processes, against ministack: deploy is interrupted and goes on, and destroy leaves nothing."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys

import pytest
from tools.harness.environment import REPOSITORY

COMPONENTS = [f"interrupted-{name}" for name in ("api-server", "scheduler", "dag-processor", "triggerer")]
DEPLOY = ("deploy", "--network=public", "--image=local/airflow:3.3.2", "--yes")


@pytest.fixture
def start(ministack, tmp_path):
    """Start one of the commands; what is still running in the end is killed."""
    started = []
    env = os.environ | {
        "AWS_ENDPOINT_URL": ministack.endpoint_url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONUNBUFFERED": "1",
    }

    def command(name, *options):
        program = [sys.executable, REPOSITORY / "scripts" / "aws" / name, "--name=interrupted", *options]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        # A shell starts what runs in the background with SIGINT ignored, and so would these be, too.
        heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        started.append(subprocess.Popen(program, env=env, cwd=tmp_path, text=True, preexec_fn=heeds, **pipes))
        return started[-1]

    yield command
    for process in started:
        process.kill()
        process.wait()


def ended(process):
    """Wait for a process, and return its exit code and what it printed."""
    printed, _ = process.communicate(timeout=300)
    return process.returncode, printed


def stacks(ministack):
    """Return the state of each stack, and when it was changed."""
    described = ministack.client("cloudformation").describe_stacks()["Stacks"]
    names = [each for each in described if each["StackName"].startswith("interrupted-")]
    return {each["StackName"]: (each["StackStatus"], each.get("LastUpdatedTime")) for each in names}


def running(ministack):
    """Return how many containers of each component are to run, and their image."""
    ecs = ministack.client("ecs")
    services = ecs.describe_services(cluster="interrupted", services=COMPONENTS)["services"]
    found = {}
    for service in services:
        definition = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        found[service["serviceName"]] = (
            service["desiredCount"],
            definition["containerDefinitions"][0]["image"],
        )
    return found


def test_an_interrupted_deploy_goes_on_and_another_one_changes_nothing(ministack, start):
    """Ctrl-C comes as soon as the first stack is there. An upgrade ends with all components on the new image."""
    process = start(*DEPLOY)
    for line in process.stdout:
        if line.startswith("interrupted-network  CREATE_COMPLETE") and "AWS::CloudFormation::Stack" in line:
            process.send_signal(signal.SIGINT)
            break
    code, printed = ended(process)
    assert (code, "--yes run again goes on" in printed) == (130, True), printed
    assert "interrupted-airflow" not in stacks(ministack)

    code, printed = ended(start(*DEPLOY))
    assert code == 0, printed
    made = stacks(ministack)
    assert {state for state, _ in made.values()} == {"CREATE_COMPLETE"}
    assert len(made) == 3

    code, printed = ended(start(*DEPLOY))
    assert (code, printed.count("nothing to be changed")) == (0, 3), printed
    assert stacks(ministack) == made

    code, printed = ended(start("deploy", "--image=local/airflow:3.4.0", "--yes"))
    assert (code, "interrupted-airflow: pausing" in printed) == (0, True), printed
    assert running(ministack) == dict.fromkeys(COMPONENTS, (1, "local/airflow:3.4.0"))

    # The images are not there, so that no component runs for long.
    code, printed = ended(start("status"))
    assert (code, "http" in printed) == (int("0 of 1 running" in printed), True), printed
    code, printed = ended(start("destroy", "--yes"))
    assert (code, "Nothing is left" in printed) == (0, True), printed
    assert stacks(ministack) == {}

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
"""The image of the ECS tasks: built with docker and pushed to the deployment's repository."""

from __future__ import annotations

import base64
import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tools.aws.errors import DeploymentError
from tools.harness.environment import REPOSITORY

DOCKERFILE = "scripts/docker/Dockerfile"

#: Runs a command with what it reads, and returns its exit code; it prints for itself.
Run = Callable[[Sequence[str], str], int]


def run(command: Sequence[str], text: str = "") -> int:
    """Run a command in the repository; 127 where there is none of that name, as in a shell."""
    try:
        return subprocess.run(command, input=text, text=True, check=False, cwd=REPOSITORY).returncode
    except FileNotFoundError:
        return 127


def has_engine() -> bool:
    """Whether docker is on PATH and reaches its engine."""
    try:
        done = subprocess.run(["docker", "info"], check=False, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def is_there(ecr: Any, image: str) -> bool:
    """Whether the repository has an image of this name and tag."""
    repository, _, tag = image.partition("/")[2].rpartition(":")
    try:
        return bool(
            ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ImageNotFoundException", "RepositoryNotFoundException"):
            return False
        raise


def build_command(image: str, airflow: str) -> list[str]:
    """Return the command that builds and pushes an image, from the top of the repository."""
    # For the task definition that is the default one; ECS refuses an image for another processor when it starts.
    command = ["docker", "buildx", "build", "--platform", "linux/amd64", "--file", DOCKERFILE]
    return [*command, "--build-arg", f"AIRFLOW_VERSION={airflow}", "--tag", image, "--push", "."]


def commands_elsewhere(image: str, airflow: str, region: str) -> str:
    """Return the two commands that do the same on a machine with docker and the AWS CLI."""
    registry = image.partition("/")[0]
    login = f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {registry}"
    return f"  {login}\n  {shlex.join(build_command(image, airflow))}"


def build_and_push(ecr: Any, image: str, airflow: str, run: Run = run) -> None:
    """Build an image and push it to ECR; the password is not shown and goes to docker's standard input alone."""
    (grant,) = ecr.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(grant["authorizationToken"]).decode().partition(":")
    registry = image.partition("/")[0]
    login = ["docker", "login", "--username", user, "--password-stdin", registry]
    for command, text in ((login, password), (build_command(image, airflow), "")):
        if code := run(command, text):
            raise DeploymentError(
                f"{shlex.join(command)} ended with {code}; what it said stands above. The stacks are there: put that "
                "right and run this again, or give an image of your own by --image."
            )

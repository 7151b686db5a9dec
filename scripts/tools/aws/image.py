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
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tools.aws.errors import DeploymentError
from tools.aws.options import VERSION
from tools.harness.environment import REPOSITORY

DOCKERFILE = "scripts/docker/Dockerfile"
#: docker's names of what tasks.yaml calls Architecture.
PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}

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


def of_tasks(parameters: Mapping[str, str], outputs: Mapping[str, str]) -> tuple[str, bool]:
    """
    Return the name of a deployment's image, and whether it comes from elsewhere rather than from its own repository.

    :param parameters: those of tasks.yaml
    :param outputs: its outputs, or what is known of them
    """
    if given := parameters.get(parameter(parameters)):
        return given, True
    repository = outputs.get("RepositoryUri", "the deployment's repository")
    return f"{repository}:{parameters['ImageTag']}", False


def parameter(parameters: Mapping[str, str]) -> str:
    """Return the parameter of tasks.yaml with an image from elsewhere, for the processors that its parameters name."""
    return "ImageArm64" if parameters.get("Architecture") == "ARM64" else "ImageX86"


def release(tag: str) -> tuple[int, int, int, str] | None:
    """Return the release of Airflow that a tag begins with, its last member that of a pre-release; None where it has none."""
    found = VERSION.match(tag)
    return (int(found[1]), int(found[2]), int(found[3]), found[4] or "") if found else None


def provide(ecr: Any, image: str, architecture: str, rebuild: bool, run: Run = run) -> bool:
    """Build and push an image that is not in its repository; return False where docker does not run here."""
    if not rebuild and is_there(ecr, image):
        return True
    if not release(_tag(image)):
        raise DeploymentError(
            f"{image} is not there, and deploy builds images whose tag begins with Airflow's version alone. Push it, and run "
            "this again; or give --airflow VERSION, or an image by --image."
        )
    if not has_engine():
        return False
    build_and_push(ecr, image, architecture, run)
    return True


def build_command(image: str, architecture: str) -> list[str]:
    """Return the command that builds and pushes an image, from the top of the repository."""
    version = VERSION.match(_tag(image))
    # ECS refuses an image for another processor only when it starts.
    command = ["docker", "buildx", "build", "--platform", PLATFORMS[architecture], "--file", DOCKERFILE]
    build = [f"AIRFLOW_VERSION={version[0] if version else ''}", "--tag", image, "--push", "."]
    return [*command, "--build-arg", *build]


def commands_elsewhere(image: str, architecture: str, region: str) -> str:
    """Return the two commands that do the same on a machine with docker and the AWS CLI."""
    registry = image.partition("/")[0]
    login = f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {registry}"
    return f"  {login}\n  {shlex.join(build_command(image, architecture))}"


def build_and_push(ecr: Any, image: str, architecture: str, run: Run = run) -> None:
    """Build an image and push it to ECR; the password is not shown and goes to docker's standard input alone."""
    (grant,) = ecr.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(grant["authorizationToken"]).decode().partition(":")
    registry = image.partition("/")[0]
    login = ["docker", "login", "--username", user, "--password-stdin", registry]
    for command, text in ((login, password), (build_command(image, architecture), "")):
        if code := run(command, text):
            raise DeploymentError(
                f"{shlex.join(command)} ended with {code}; what it said stands above. The stacks are there: put that "
                "right and run this again, or give an image of your own by --image."
            )


def _tag(image: str) -> str:
    return image.rpartition(":")[2]

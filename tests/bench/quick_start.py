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
"""The quick start of the documentation, followed as a reader does: files saved, commands run by a shell, in their order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.documentation.options import REPOSITORY
from tools.documentation.snippets import Snippet, options_of, read
from tools.harness.environment import locked_environment
from tools.harness.releases import NEWEST, RELEASES

#: Another one than that of the example, as is the version.
REGION, VERSION = "us-west-2", "3.2.2"
ADAPTED = {
    "export AWS_REGION": REGION,
    "VERSION": VERSION,
}
PAGES = REPOSITORY / "docs" / "executor"
PAGE = PAGES / "fargate.rst"
#: What says under which name the next block is saved. GitHub would not show a block with a caption.
SAVE = re.compile(r"Save (?:this Dag|it|them)\s+as\s+``([^`]+)``")
#: There is no container engine here. This notes what Docker is told; a push puts an image without layers into the repository.
DOCKER = """\
#!{python}
import json, os, sys
from pathlib import Path

log = Path("docker.log")
log.open("a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "login":
    assert sys.stdin.read().strip()
if sys.argv[1] == "push":
    system, architecture = log.read_text().split("--platform ")[1].split()[0].split("/")
    kind = "application/vnd.oci.image.{{}}.v1+json".format
    image = {{"mediaType": kind("manifest"), "digest": "sha256:" + "0" * 64, "size": 1}}
    image["platform"] = {{"os": system, "architecture": architecture}}
    index = {{"schemaVersion": 2, "mediaType": kind("index"), "manifests": [image]}}
    name, tag = sys.argv[2].split("/", 1)[1].split(":")
    arguments = ("--image-manifest", json.dumps(index), "--image-manifest-media-type", kind("index"))
    os.execvp("aws", ["aws", "ecr", "put-image", "--repository-name", name, "--image-tag", tag, *arguments])
"""


def section() -> list[Snippet]:
    """Return the snippets of the quick start, which is the page's first section."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first, second = [n for n, line in enumerate(lines) if line and not line.strip("-")][:2]
    return [snippet for snippet in read(PAGE) if first < snippet.line < second]


def files() -> dict[str, str]:
    """Return what the page says to save, by the name of the file."""
    policy = next(snippet for snippet in read(PAGES / "fargate-security.rst") if snippet.language == "json")
    page, shown = PAGE.read_text(encoding="utf-8"), [one for one in section() if one.language != "bash"]
    saved = {"scheduler-policy.json": policy.text}
    for sentence in SAVE.finditer(page):
        line = page.count("\n", 0, sentence.end()) + 1
        saved[sentence[1]] = next(snippet.text for snippet in shown if snippet.line > line)
    return saved


def make_what_is_asked_for(client: Callable[[str], Any]) -> str:
    """Make what must be there before: a role of the scheduler, and a security group of the API server; return its id."""
    client("iam").create_role(RoleName="airflow-scheduler", AssumeRolePolicyDocument="{}")
    ec2 = client("ec2")
    [vpc] = ec2.describe_vpcs()["Vpcs"]
    group = {"GroupName": "airflow-api", "Description": "API server", "VpcId": vpc["VpcId"]}
    return ec2.create_security_group(**group)["GroupId"]


class QuickStart:
    """
    The quick start in a folder, against a local stand-in for AWS.

    :param endpoint: where that is
    :param api: the address of the API server
    """

    def __init__(self, folder: Path, endpoint: str, api: str) -> None:
        programs = locked_environment("awscli", RELEASES[NEWEST]) / "bin"
        self.folder = folder
        self.env = {
            "PATH": os.pathsep.join((str(folder / "bin"), str(programs), os.defpath)),
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "AWS_ENDPOINT_URL": endpoint,
        }
        commands = [snippet.text for snippet in section() if snippet.language == "bash"]
        names, *self._make, self._log, self._delete = commands
        adapted = {**ADAPTED, "API": api, "API_PORT": api.rpartition(":")[2]}
        own = {name: f"{name}={value}" for name, value in adapted.items()}
        lines = [own.get(line.partition("=")[0], line) for line in names.splitlines()]
        assert set(own.values()) <= {*lines}
        self._names = "\n".join(lines) + "\n"

    def save_files(self) -> None:
        """Save what the page says to save, and put a recorder in the place of Docker."""
        for name, text in files().items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        docker = self.folder / "bin" / "docker"
        docker.parent.mkdir()
        docker.write_text(DOCKER.format(python=sys.executable))
        docker.chmod(0o755)

    def make(self) -> None:
        """Run all steps up to the options, which are left in ``airflow.cfg``."""
        *commands, fill = self._make
        printed = self._run(self._names, *commands, "echo THE OPTIONS\n", fill)
        (self.folder / "airflow.cfg").write_text(printed.split("THE OPTIONS\n")[1], encoding="utf-8")

    @property
    def options(self) -> dict[str, dict[str, str]]:
        """The options that the page makes, by section."""
        text = (self.folder / "airflow.cfg").read_text(encoding="utf-8")
        return options_of(Snippet("airflow.cfg", 1, "ini", text))

    def log(self) -> str:
        """Return the lines of the containers."""
        return self._run(self._names, self._log)

    def delete(self) -> None:
        """Run the last step in another shell, as the page says for that."""
        self._run(self._names, self._delete)

    def _run(self, *commands: str) -> str:
        """
        Run commands in a new shell, and return what they print.

        :raises AssertionError: one of them failed
        """
        done = subprocess.run(
            ["sh", "-eu", "-c", "".join(commands)],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

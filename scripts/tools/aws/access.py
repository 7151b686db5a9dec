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
"""How the user of a whole Airflow gets to it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from tools.aws import remains

if TYPE_CHECKING:
    from rich.console import Console

    from tools.aws.stacks import Stack

#: The port of the API server's container, and that of the user's machine.
PORT = 8080
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html and
#: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html
DOCUMENT = "AWS-StartPortForwardingSession"
PLUGIN = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
#: Where the image of scripts/docker/Dockerfile has Dags.
IMAGE_DAGS = "/opt/airflow/dags"


def show(console: Console, ecs: Any, deployment: str, airflow: Stack, later: str = "") -> None:
    """
    Show the URL, where the password is, the way there from a machine outside of the VPC, and where Dags go.

    :param later: the command that shows that way once an API server runs; empty for what is that command itself.
    """
    region = ecs.meta.region_name
    secret = ["aws", "secretsmanager", "get-secret-value", "--region", region, "--secret-id"]
    secret += [f"{deployment}/admin-password", "--query", "SecretString", "--output", "text"]
    where = "" if airflow.parameters.get("Access") == "internet-facing" else ", from within the VPC"
    lines = [
        f"Airflow: {airflow.outputs.get('Url', '?')}{where}",
        f"User: admin. The password: {shlex.join(secret)}",
        *_forwarding(ecs, deployment, airflow, later),
        _dags(airflow),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _forwarding(ecs: Any, deployment: str, airflow: Stack, later: str) -> list[str]:
    if airflow.parameters.get("EnableExecuteCommand") != "true":
        return []
    target = _target(ecs, deployment)
    if target is None:
        shows = f": {later} shows the way to it then" if later else ""
        return [f"No API server that can be entered runs yet{shows}."]
    command = ["aws", "ssm", "start-session", "--region", ecs.meta.region_name, "--target", target]
    command += ["--document-name", DOCUMENT, "--parameters", f"portNumber={PORT},localPortNumber={PORT}"]
    return [
        f"From outside of the VPC, with the AWS CLI and its Session Manager plugin ({PLUGIN}):",
        f"  {shlex.join(command)}",
        f"and then http://localhost:{PORT}. --parameter EnableExecuteCommand=false closes this way.",
    ]


def _dags(airflow: Stack) -> str:
    """Return where the Dags are, and how another one gets there."""
    has, outputs = airflow.parameters, airflow.outputs
    folder = has.get("DagsFolder", "")
    if "DagsBucket" in outputs:
        to = f"s3://{outputs['DagsBucket']}/{folder}/"
        return (
            f"Dags: aws s3 cp FILE {to} uploads one; the first is read at once, changes every five minutes."
        )
    if has.get("Dags") == "git":
        return f"Dags: in {has.get('DagsRepository')}, branch {has.get('DagsBranch')}, folder {folder}"
    return f"Dags: in the image, {IMAGE_DAGS}"


def _target(ecs: Any, deployment: str) -> str | None:
    """Return what Session Manager calls the container of an API server that runs."""
    group = f"service:{deployment}-api-server"
    for ecs_task in remains.running(ecs, deployment):
        runs = ecs_task["lastStatus"] == "RUNNING" and ecs_task.get("group") == group
        # What was started before the parameter changed cannot be entered.
        if runs and ecs_task.get("enableExecuteCommand"):
            container = next(one for one in ecs_task["containers"] if one["name"] == "api-server")
            return f"ecs:{deployment}_{ecs_task['taskArn'].rpartition('/')[2]}_{container['runtimeId']}"
    return None

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
"""The containers of the template of a whole Airflow, as processes on this machine."""

from __future__ import annotations

import json
import os
import secrets
import string
import sys
import urllib.request
from pathlib import Path

from tools.harness.processes import Process, free_port, wait_until

from tests.aws.resolver import TEMPLATES, Plan, read
from tests.bench.quick_start import files

NO_AWS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Whole(Plan):
    """The template, in the Region of the local Fargate, with what it keeps in Parameter Store and Secrets Manager."""

    def __init__(self, region, **parameters):
        super().__init__(read(TEMPLATES / "airflow.yaml"), parameters)
        self.pseudo = {**Plan.pseudo, "AWS::Region": region}
        self.secrets = {}

    def attribute(self, name, attribute):
        resource = self.template["Resources"][name]
        if resource["Type"] == "AWS::SSM::Parameter":
            return self.resolve(resource["Properties"][attribute])
        if resource["Type"] == "AWS::SecretsManager::Secret":
            return f"{name}.Ref"
        return super().attribute(name, attribute)

    def secret(self, reference, secret_id, key):
        return self.value_of(secret_id)

    def value_of(self, reference):
        """Return what a container gets for a reference to a secret, or to a key of its JSON."""
        name, _, key = reference.partition(".Ref")
        if name not in self.secrets:
            self.secrets[name] = self._make(self.resolve(self.template["Resources"][name]["Properties"]))
        value, key = self.secrets[name], key.strip(":")
        return json.loads(value)[key] if key else value

    def _make(self, properties):
        if "SecretString" in properties:
            return properties["SecretString"]
        wanted = properties["GenerateSecretString"]
        assert wanted.pop("ExcludePunctuation")
        letters = string.ascii_letters + string.digits
        return "".join(secrets.choice(letters) for _ in range(wanted.pop("PasswordLength")))

    def container(self, definition):
        """Return the one container of a task definition."""
        [container] = self.resources()[definition]["Properties"]["ContainerDefinitions"]
        return container

    def bundles(self, definition):
        """Return the bundles of Dags that a task definition's container knows."""
        [container] = self.template["Resources"][definition]["Properties"]["ContainerDefinitions"]
        [value] = [
            e["Value"] for e in container["Environment"] if e["Name"].endswith("DAG_BUNDLE_CONFIG_LIST")
        ]
        return json.loads(self.resolve(value))

    def environment(self, container):
        """Return the environment of a container, with its secrets."""
        own = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
        return own | {
            entry["Name"]: self.value_of(entry["ValueFrom"]) for entry in container.get("Secrets", ())
        }

    def services(self):
        """Return the services, by name, in an order in which each one comes after those that it depends on."""
        resources = self.resources()
        services = {n: one for n, one in resources.items() if one["Type"] == "AWS::ECS::Service"}
        return sorted(services, key=lambda name: len(set(services[name]["DependsOn"]) & set(services)))


class Image:
    """What containers have of their image, and what their addresses are on this machine."""

    def __init__(self, folder, socket_folder):
        self.folder = folder
        self.port = free_port()
        self.dags = folder / "dags"
        self.dags.mkdir()
        (self.dags / "hello.py").write_text(files()["dags/hello.py"])
        self._addresses = {
            "api.airflow.internal:8080": f"127.0.0.1:{self.port}",
            "LoadBalancer.DNSName": f"127.0.0.1:{self.port}",
            "Database.Endpoint.Address:5432/airflow": f"/airflow?host={socket_folder}",
        }

    def environment(self, name, own):
        """Return a container's whole environment; each has a home folder and a folder for temporary files."""
        home = self.folder / name
        (home / "tmp").mkdir(parents=True)
        of_image = {
            "PATH": os.pathsep.join((str(Path(sys.prefix) / "bin"), os.environ["PATH"])),
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        }
        return of_image | {key: self._here(value, home) for key, value in own.items()}

    def _here(self, value, home):
        for theirs, ours in {**self._addresses, "/tmp/passwords": f"{home}/tmp/passwords"}.items():
            value = value.replace(theirs, ours)
        return value


def register(fargate, stack, image):
    """Register the task definition of tasks, as CloudFormation does."""
    properties = stack.resources()["TaskDefinition"]["Properties"]
    [container] = properties["ContainerDefinitions"]
    # A container starts in half the time that Airflow gives up after, but not on a busy machine.
    inside = image.environment("task", stack.environment(container)) | {
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60"
    }
    log = container["LogConfiguration"]
    fargate.client("ecs").register_task_definition(
        family=properties["Family"],
        requiresCompatibilities=properties["RequiresCompatibilities"],
        networkMode=properties["NetworkMode"],
        cpu=str(properties["Cpu"]),
        memory=str(properties["Memory"]),
        executionRoleArn=properties["ExecutionRoleArn"],
        taskRoleArn=properties["TaskRoleArn"],
        containerDefinitions=[
            {
                "name": container["Name"],
                "image": container["Image"],
                "essential": container["Essential"],
                "environment": [{"name": name, "value": value} for name, value in inside.items()],
                "logConfiguration": {"logDriver": log["LogDriver"], "options": log["Options"]},
            }
        ],
    )


class Components:
    """The services' containers, as processes."""

    def __init__(self, stack, image, fargate):
        self._stack = stack
        self._image = image
        self._aws = NO_AWS | {"AWS_ENDPOINT_URL": fargate.told["endpoint_url"]}
        self.environments = {}
        self.processes = {}

    def start(self):
        """Start each after those that it depends on are in service."""
        for name in self._stack.services():
            container = self._stack.container(f"{name}Definition")
            env = self._image.environment(name, self._stack.environment(container)) | self._aws
            self.environments[name] = env
            log = self._image.folder / f"{name}.log"
            home = self._image.folder / name
            self.processes[name] = Process(name, container["Command"], env=env, log=log, cwd=home)
            if name == "ApiServer":
                wait_until(self.answers, timeout=120, what="the API server to answer")

    def answers(self):
        """Whether the load balancer's health check succeeds."""
        self.check_alive()
        path = self._stack.resources()["TargetGroup"]["Properties"]["HealthCheckPath"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._image.port}{path}", timeout=5) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None

    def check_alive(self):
        for name, process in self.processes.items():
            assert process.exit_code is None, f"{name} ended with {process.exit_code}:\n{process.tail(80)}"

    def stop(self):
        for process in self.processes.values():
            process.ask_to_end()
        for process in self.processes.values():
            process.stop()

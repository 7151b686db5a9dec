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
"""
A whole Airflow from its template: the containers' commands and environment are started as processes, and a Dag runs.

PostgreSQL is real, the local Fargate stands for ECS and CloudWatch. What is not the template's is in ``Image``: the folders,
the Dag and ports that nobody has. Names that only AWS has are mapped to this machine.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tools.harness.database import Database
from tools.harness.deployment import PRELOAD
from tools.harness.fargate_process import LocalFargate
from tools.harness.postgres import Postgres
from tools.harness.processes import wait_until
from tools.harness.releases import NEWEST, RELEASES
from tools.harness.rest import RestApi
from tools.harness.settings import Settings

from tests.aws.whole_airflow import Components, Image, Whole, register

RELEASE = RELEASES[".".join(importlib.metadata.version("apache-airflow").split(".")[:2])]
pytestmark = pytest.mark.skipif(
    RELEASE.line not in ("3.3", NEWEST), reason="the template is for 3.3 and newer"
)


@pytest.fixture
def postgres():
    """A PostgreSQL with the database and the user that RDS makes."""
    server = Postgres()
    try:
        server.start()
        with create_engine(server.uri, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("CREATE ROLE airflow LOGIN"))
            connection.execute(text("CREATE DATABASE airflow OWNER airflow"))
        yield server
    finally:
        server.stop()


@pytest.fixture
def image(tmp_path, postgres):
    return Image(tmp_path, postgres.uri.partition("host=")[2])


@pytest.fixture
def fargate(tmp_path, image):
    """The local Fargate; its own task definition is not used."""
    (tmp_path / "fargate").mkdir()
    container_env = image.environment("unused", {})
    local = LocalFargate(Path(sys.prefix) / "bin" / "python", tmp_path / "fargate", container_env, PRELOAD[3])
    try:
        local.start()
        yield local
    finally:
        local.stop()


@pytest.fixture
def whole(fargate, image):
    """The template's stack, whose task definition for tasks is registered."""
    told = fargate.told
    stack = Whole(
        told["region"],
        Image="local/airflow",
        VpcId="vpc-1",
        SubnetIds=",".join(told["subnets"]),
        LoadBalancerSubnets=",".join(told["subnets"]),
        SecurityGroupId=told["security_groups"][0],
        AllowedCidr="10.0.0.0/8",
    )
    register(fargate, stack, image)
    return stack


@pytest.fixture
def components(whole, image, fargate):
    started = Components(whole, image, fargate)
    try:
        started.start()
        yield started
    finally:
        started.stop()


def test_a_dag_runs_and_its_log_is_read(components, image, whole, fargate):
    """All components are well, a task runs in an ECS task, and its log comes from CloudWatch."""
    environment = components.environments["ApiServer"]
    uri = environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    password = whole.value_of("AdminPassword.Ref")
    api = RestApi(Settings(RELEASE, Path(sys.prefix), image.folder, uri, image.port, password))
    database = Database(uri)

    def holds(condition):
        components.check_alive()
        return condition()

    wait_until(lambda: holds(lambda: database.has_dag("hello")), timeout=60, what="the Dag to be read")
    api.trigger("hello", "first")
    wait_until(
        lambda: holds(lambda: database.run_state("hello", "first") in ("success", "failed")),
        timeout=120,
        what="the Dag run to end",
    )
    assert database.run_state("hello", "first") == "success"
    assert "Hello from" in api.log("hello", "first", "where")
    [ecs_task] = fargate.tasks()
    assert ":task-definition/airflow-task:" in ecs_task["taskDefinitionArn"]
    health = components.answers()
    assert {health[name]["status"] for name in ("scheduler", "dag_processor", "triggerer")} == {"healthy"}
    api.ask("/connections", {"connection_id": "any", "conn_type": "generic", "password": "any"})
    with create_engine(uri).connect() as connection:
        assert connection.execute(text("SELECT is_encrypted FROM connection")).scalar_one()
    # No key and no password is printed.
    printed = "".join(process.log.read_text() for process in components.processes.values())
    assert not [name for name, secret in whole.secrets.items() if secret in printed]
    assert "Password for user" not in printed

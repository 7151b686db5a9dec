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
"""``[fargate] conn_id`` with the real hook of the amazon provider, and a real STS that assumes roles: moto's."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import subprocess

import pytest
from moto.server import ThreadedMotoServer
from tools.harness.environment import airflow_environment
from tools.harness.releases import NEWEST, RELEASES
from tools.simulator.bootstrap import Wanted, create
from tools.simulator.server import LocalFargate

# One release tells: the hook is the provider's, not Airflow's. It stands in the lock of the benchmark, which has the
# provider for the incumbent.
pytestmark = pytest.mark.skipif(
    not importlib.metadata.version("apache-airflow").startswith(f"{NEWEST}."), reason=f"with {NEWEST}"
)

ROLE = "arn:aws:iam::123456789012:role/fargate-launcher"
#: Answers each question in one process, since Airflow takes seconds to start: a question is environment variables.
ASK = """
import json
import os
import sys
from airflow.executors.fargate.aws import clients
from airflow.executors.fargate.bridge import sessions, settings
from airflow.executors.fargate.config.config import read_config
from airflow.executors.fargate.config.options import Options

def answer(question):
    os.environ.update(question)
    config = read_config(Options(settings.option_reader()))
    make_session = sessions.session_maker(config.conn_id, config.region)
    ecs = clients.connect(make_session, region=config.region, endpoint_url=config.endpoint_url, connections=1)
    client = ecs._client
    return {
        "region": client.meta.region_name,
        "endpoint": client.meta.endpoint_url,
        "attempts": client.meta.config.retries["total_max_attempts"],
        "proxies": client.meta.config.proxies,
        "caller": make_session().client("sts").get_caller_identity()["Arn"],
    }

print("told", json.dumps([answer(question) for question in json.loads(sys.argv[1])]))
"""
LAUNCH = """
import json
import time
from airflow.executors.fargate_executor import FargateExecutor
from airflow.models.taskinstancekey import TaskInstanceKey

executor = FargateExecutor()
executor.start()
key = TaskInstanceKey("dag", "task", "run", 1, -1)
executor.execute_async(key, ["true"])
deadline = time.monotonic() + 60
ends = {}
while not ends and time.monotonic() < deadline:
    executor.sync()
    ends = {state: info for state, info in executor.get_event_buffer().values() if state != "running"}
    time.sleep(0.1)
executor.end()
print("told", json.dumps(ends))
"""


@pytest.fixture(scope="module")
def python():
    """A Python that has Airflow, the overlay and the amazon provider."""
    release = dataclasses.replace(RELEASES[NEWEST], line=f"{NEWEST}-benchmark")
    return airflow_environment(release) / "bin" / "python"


@pytest.fixture(scope="module")
def aws():
    """The address of an AWS that knows users and roles."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def connection(**extra):
    """Return the variable of a connection."""
    members = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra}
    return {"AIRFLOW_CONN_AWS_OURS": json.dumps(members)}


def option_variables(**options):
    return {f"AIRFLOW__FARGATE__{name.upper()}": value for name, value in options.items()}


@pytest.fixture(scope="module")
def ask(python, aws, tmp_path_factory):
    """Return a function that runs a program with environment variables and arguments, and returns what it has told."""

    def ask(program, *arguments, **variables):
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AIRFLOW__", "AIRFLOW_CONN_"))
        }
        env |= {
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("home")),
            "AWS_ENDPOINT_URL_STS": aws,
            **option_variables(
                conn_id="aws_ours",
                cluster="airflow",
                task_definition="airflow-task",
                container_name="airflow",
                subnets="subnet-0123456789abcdef0",
            ),
            **variables,
        }
        done = subprocess.run(
            [python, "-c", program, *arguments],
            env=env,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("told ")]
        assert lines, done.stdout + done.stderr
        return json.loads(lines[-1].removeprefix("told "))

    return ask


@pytest.fixture(scope="module")
def told(ask):
    """What is told with a connection, and with one and options that say otherwise."""
    elsewhere = {"ecs": {"endpoint_url": "http://127.0.0.1:9"}}
    alone = connection(
        region_name="eu-west-3",
        role_arn=ROLE,
        service_config=elsewhere,
        config_kwargs={"proxies": {"https": "http://127.0.0.1:8"}},
    )
    options = option_variables(region="us-west-2", endpoint_url="http://127.0.0.1:7")
    beside = connection(region_name="eu-west-3", service_config=elsewhere) | options
    return ask(ASK, json.dumps([alone, beside]))


def test_what_the_connection_says_holds(told):
    """Its Region, its endpoint for ECS, its proxies and the role that it assumes; the executor's own retries stay off."""
    told, _ = told
    assert (told["region"], told["endpoint"]) == ("eu-west-3", "http://127.0.0.1:9")
    assert ":assumed-role/fargate-launcher/" in told["caller"]
    assert (told["attempts"], told["proxies"]) == (1, {"https": "http://127.0.0.1:8"})


def test_the_options_win_over_the_connection(told):
    """``region`` and ``endpoint_url`` are this executor's, where they are given."""
    _, told = told
    assert (told["region"], told["endpoint"]) == ("us-west-2", "http://127.0.0.1:7")


def test_a_launch_goes_through_the_connection(ask):
    """From the launch to its end all calls go where the connection says, with credentials of the role that it names."""
    with LocalFargate({"provisioning_time": 0.05, "stopping_time": 0.05}) as fargate:
        created = create(fargate, Wanted())
        ours = connection(
            region_name=fargate.region,
            role_arn=ROLE,
            service_config={"ecs": {"endpoint_url": fargate.endpoint_url}},
        )
        options = option_variables(
            cluster=created.cluster,
            task_definition=created.task_definition,
            container_name=created.container_name,
            subnets=",".join(created.subnets),
            poll_interval="0.2",
        )
        ends = ask(LAUNCH, **ours, **options)
        (container,) = fargate.ledger()
    assert ends == {"success": None}
    assert [entry["exitCode"] for entry in container["containers"]] == [0]

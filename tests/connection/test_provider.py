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
ASK = """
import json
from airflow.executors.fargate.aws import clients
from airflow.executors.fargate.bridge import compat, sessions
from airflow.executors.fargate.config.config import read_config
from airflow.executors.fargate.config.options import Options

config = read_config(Options(compat.option_reader()))
make_session = sessions.session_maker(config.conn_id, config.region)
ecs = clients.connect(make_session, region=config.region, endpoint_url=config.endpoint_url, connections=1)
client = ecs._client
told = {
    "region": client.meta.region_name,
    "endpoint": client.meta.endpoint_url,
    "attempts": client.meta.config.retries["total_max_attempts"],
    "proxies": client.meta.config.proxies,
    "caller": make_session().client("sts").get_caller_identity()["Arn"],
}
print("told", json.dumps(told))
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


@pytest.fixture
def ask(python, aws, tmp_path):
    """Return a function that runs a program with a connection and options, and returns what it has told."""

    def ask(extra, program=ASK, **options):
        connection = {"conn_type": "aws", "login": "AKIAEXAMPLE", "password": "secret", "extra": extra}
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AIRFLOW__", "AIRFLOW_CONN_"))
        }
        env |= {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW_CONN_AWS_OURS": json.dumps(connection),
            "AIRFLOW__FARGATE__CONN_ID": "aws_ours",
            "AIRFLOW__FARGATE__CLUSTER": "airflow",
            "AIRFLOW__FARGATE__TASK_DEFINITION": "airflow-task",
            "AIRFLOW__FARGATE__CONTAINER_NAME": "airflow",
            "AIRFLOW__FARGATE__SUBNETS": "subnet-0123456789abcdef0",
            "AWS_ENDPOINT_URL_STS": aws,
            **{f"AIRFLOW__FARGATE__{name.upper()}": value for name, value in options.items()},
        }
        done = subprocess.run(
            [python, "-c", program], env=env, check=False, capture_output=True, text=True, timeout=120
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("told ")]
        assert lines, done.stdout + done.stderr
        return json.loads(lines[-1].removeprefix("told "))

    return ask


def test_what_the_connection_says_holds(ask):
    """Its Region, its endpoint for ECS, its proxies and the role that it assumes; the executor's own retries stay off."""
    told = ask(
        {
            "region_name": "eu-west-3",
            "role_arn": ROLE,
            "service_config": {"ecs": {"endpoint_url": "http://127.0.0.1:9"}},
            "config_kwargs": {"proxies": {"https": "http://127.0.0.1:8"}},
        }
    )
    assert (told["region"], told["endpoint"]) == ("eu-west-3", "http://127.0.0.1:9")
    assert ":assumed-role/fargate-launcher/" in told["caller"]
    assert (told["attempts"], told["proxies"]) == (1, {"https": "http://127.0.0.1:8"})


def test_the_options_win_over_the_connection(ask):
    """``region`` and ``endpoint_url`` are this executor's, where they are given."""
    told = ask(
        {"region_name": "eu-west-3", "service_config": {"ecs": {"endpoint_url": "http://127.0.0.1:9"}}},
        region="us-west-2",
        endpoint_url="http://127.0.0.1:7",
    )
    assert (told["region"], told["endpoint"]) == ("us-west-2", "http://127.0.0.1:7")


def test_a_launch_goes_through_the_connection(ask):
    """From the launch to its end all calls go where the connection says, with credentials of the role that it names."""
    with LocalFargate({"provisioning_time": 0.05, "stopping_time": 0.05}) as fargate:
        created = create(fargate, Wanted())
        ends = ask(
            {
                "region_name": fargate.region,
                "role_arn": ROLE,
                "service_config": {"ecs": {"endpoint_url": fargate.endpoint_url}},
            },
            LAUNCH,
            cluster=created.cluster,
            task_definition=created.task_definition,
            container_name=created.container_name,
            subnets=",".join(created.subnets),
            poll_interval="0.2",
        )
        (container,) = fargate.ledger()
    assert ends == {"success": None}
    assert [entry["exitCode"] for entry in container["containers"]] == [0]

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
Measure how many DescribeTasks of 100 tasks a second the server answers.

``PYTHONPATH=scripts python -m tools.simulator.measure [--seconds 5] [--connections 4]`` starts a server
in a process of its own, with 100 pretended tasks whose command has 1,100 characters, asks as fast as it
can and prints one line of JSON. The callers use plain HTTP, so that it is the server that is measured.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from tools.simulator.limits import MAX_DESCRIBED_TASKS

COMMAND_CHARACTERS = 1100
_SETTINGS = {"pretend": {"duration": 3600}, "provisioning_time": 0}


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=4)
    arguments = parser.parse_args()
    script = Path(__file__).parents[2] / "local_fargate.py"
    server = subprocess.Popen(
        [sys.executable, str(script), "--setup", "--settings", json.dumps(_SETTINGS)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        facts = json.loads(server.stdout.readline())
        request = json.dumps({"cluster": facts["cluster"], "tasks": _start_tasks(facts)}).encode()
        print(json.dumps(_measure(facts["endpoint_url"], request, arguments.seconds, arguments.connections)))
    finally:
        server.terminate()
        server.wait()


def _start_tasks(facts: dict[str, Any]) -> list[str]:
    ecs = boto3.client(
        "ecs",
        endpoint_url=facts["endpoint_url"],
        region_name=facts["region"],
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    command = ["airflow", "x" * (COMMAND_CHARACTERS - len("airflow"))]
    return [
        task["taskArn"]
        for _ in range(MAX_DESCRIBED_TASKS // 10)
        for task in ecs.run_task(
            cluster=facts["cluster"],
            taskDefinition=facts["task_definition"],
            launchType="FARGATE",
            count=10,
            networkConfiguration={"awsvpcConfiguration": {"subnets": facts["subnets"]}},
            overrides={"containerOverrides": [{"name": facts["container_name"], "command": command}]},
        )["tasks"]
    ]


def _measure(url: str, request: bytes, seconds: float, connections: int) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    answers: list[int] = []
    threads = [
        threading.Thread(target=_ask, args=(url, request, deadline, answers)) for _ in range(connections)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - began
    return {
        "describe_tasks_a_second": round(len(answers) / elapsed, 1),
        "tasks_a_call": MAX_DESCRIBED_TASKS,
        "bytes_an_answer": round(sum(answers) / len(answers)),
        "connections": connections,
        "seconds": round(elapsed, 1),
    }


def _ask(url: str, request: bytes, deadline: float, answers: list[int]) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    headers = {
        "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.DescribeTasks",
        "Content-Type": "application/x-amz-json-1.1",
    }
    while time.monotonic() < deadline:
        connection.request("POST", "/", request, headers)
        body = connection.getresponse().read()
        if body.count(b'"desiredStatus":"RUNNING"') < MAX_DESCRIBED_TASKS:
            raise RuntimeError(f"not {MAX_DESCRIBED_TASKS} running tasks: {body[:300]!r}")
        answers.append(len(body))
    connection.close()


if __name__ == "__main__":
    main()

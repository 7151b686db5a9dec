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
"""What the options ask for, in containers that a real Airflow has launched."""

from __future__ import annotations

import json

import pytest
from tools.harness.dag_run import DagRun

# In the scheduler's folder of configuration.
FUNCTION = """
from airflow.executors.fargate_executor import default_task_id_to_fargate_options_function

def ours():
    from_options = default_task_id_to_fargate_options_function()

    def request(command):
        made = from_options(command)
        return {**made, "group": "function", "tags": [*made["tags"], {"key": "by", "value": "function"}]}

    return request
"""
OPTIONS = {
    "execution_config_function": "our_function.ours",
    "run_task_kwargs": {"group": "run-task-kwargs"},
    "queues": {
        "large": {"group": "queue", "overrides": {"cpu": "1 vCPU", "memory": "2 GB"}},
        "spot": {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
    },
    "capacity_provider_fallback": "FARGATE",
    "tags": {"team": "data"},
    "ephemeral_storage": "30",
}


@pytest.fixture
def run(deployment):
    """Return a run of the DAG under a scheduler with these options, where Spot has no room."""
    deployment.fargate.adjust(faults=[{"kind": "capacity", "capacity_provider": "FARGATE_SPOT"}])
    deployment.airflow.scheduler.stop()
    folder = deployment.airflow.settings.home / "config"
    folder.mkdir(exist_ok=True)
    (folder / "our_function.py").write_text(FUNCTION)
    options = OPTIONS | {
        "queues": OPTIONS["queues"] | {"gpu": {"taskDefinition": deployment.fargate.register("gpu")}}
    }
    env = {
        f"AIRFLOW__FARGATE__{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in options.items()
    }
    scheduler = deployment.airflow.start_component("scheduler", env=env)
    try:
        run = DagRun(deployment, "options", "options")
        run.trigger()
        run.follow(timeout=120)
        yield run
    finally:
        scheduler.stop()


@pytest.mark.usefixtures("same_on_all_releases")
def test_containers_are_what_options_and_queues_ask_for(deployment, run):
    """Sizes by queue and task, a queue's own task definition, Spot's fallback at once, and tags that say what runs."""
    result = run.result()
    assert result.problems() == []
    arns = {launch.task_id: launch.container for launch in result.launches}
    containers = {
        task_id: entry
        for task_id, container in arns.items()
        for entry in deployment.fargate.tasks()
        if entry["taskArn"].endswith(container)
    }
    assert {task_id: (entry["cpu"], entry["memory"]) for task_id, entry in containers.items()} == {
        "usual": ("256", "512"),
        "large": ("1024", "2048"),
        "larger": ("1024", "3072"),
        "spot": ("256", "512"),
        "gpu": ("256", "512"),
    }
    # Those of launch type FARGATE have no capacity provider.
    assert {task_id: entry.get("capacityProviderName") for task_id, entry in containers.items()} == {
        "usual": None,
        "large": None,
        "larger": None,
        "spot": "FARGATE",
        "gpu": None,
    }
    definitions = {task_id: entry["taskDefinitionArn"] for task_id, entry in containers.items()}
    of_gpu = definitions.pop("gpu")
    assert "/gpu:" in of_gpu
    assert {arn.rsplit("/")[-1] for arn in definitions.values()} == {
        deployment.fargate.told["task_definition"]
    }
    # Each level's own wins over that before it: the function's, run_task_kwargs, the queue's, the task's.
    assert {task_id: entry["group"] for task_id, entry in containers.items()} == {
        "usual": "run-task-kwargs",
        "large": "queue",
        "larger": "task",
        "spot": "run-task-kwargs",
        "gpu": "run-task-kwargs",
    }
    for task_id, entry in containers.items():
        assert entry["ephemeralStorage"] == {"sizeInGiB": 30}
        assert {tag["key"]: tag["value"] for tag in entry["tags"]} == {
            "team": "data",
            "by": "function",
            "airflow:dag_id": "options",
            "airflow:task_id": task_id,
            "airflow:run_id": "options",
            "airflow:map_index": "-1",
            "airflow:try_number": "1",
            "airflow:deployment": "airflow",
        }
    events = deployment.airflow.database.events("options", "options", "fargate launch")
    fell_back = [(task_id, text) for task_id, texts in events.items() for text in texts if "fallback" in text]
    ((task_id, text),) = fell_back
    assert task_id == "spot"
    assert text.endswith("Launching with [fargate] capacity_provider_fallback instead: FARGATE.")

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
from __future__ import annotations

import time

import pytest
from tools.harness.chances import another_chance
from tools.simulator.ecs.lifecycle import Lifecycle
from tools.simulator.ecs.task_store import TaskStore

from tests.local_fargate.conftest import made

CHAIN = [
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
]
TIMESTAMPS = [
    "createdAt",
    "connectivityAt",
    "pullStartedAt",
    "pullStoppedAt",
    "startedAt",
    "stoppingAt",
    "executionStoppedAt",
    "stoppedAt",
]
IGNORE_SIGTERM = ("sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done")


def test_a_task_goes_through_the_whole_chain(account):
    """Every state is entered once, in AWS's order, and each has its timestamp."""
    task = account.end_of("true")
    assert account.history(task["taskArn"]) == CHAIN
    moments = [task[name] for name in TIMESTAMPS]
    assert moments == sorted(moments)


@another_chance
def test_every_state_can_be_seen(account):
    """A poller meets each state, with only the timestamps that it has reached."""
    account.fargate.configure(provisioning_time=0.9, stopping_time=0.9)
    arn = account.run("sleep", "0.3")
    met = {}
    while "STOPPED" not in met:
        task = account.describe(arn)
        met.setdefault(task["lastStatus"], [name for name in TIMESTAMPS if name in task])
        time.sleep(0.02)
    assert list(met) == CHAIN
    assert [len(met[state]) for state in CHAIN] == [1, 3, 4, 5, 7, 7, 7, 8]


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_code_is_the_containers(account, code):
    """What the process exits with is the container's exit code."""
    task = account.end_of("sh", "-c", f"exit {code}")
    assert task["containers"][0]["exitCode"] == code
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"


def test_a_signal_is_an_exit_code_above_128(account):
    """A process that a signal ends has 128 and the signal's number, as with a container runtime."""
    assert account.end_of("sh", "-c", "kill -SEGV $$")["containers"][0]["exitCode"] == 139


@another_chance
def test_an_exit_code_is_told_only_at_the_end(account):
    """Before STOPPED, a container has neither an exit code nor the state STOPPED."""
    account.fargate.configure(stopping_time=0.4)
    task = account.wait(account.run("false"), "DEPROVISIONING", timeout=3)
    assert "exitCode" not in task["containers"][0]
    assert task["containers"][0]["lastStatus"] == "RUNNING"
    container = account.wait(task["taskArn"])["containers"][0]
    assert (container["lastStatus"], container["exitCode"]) == ("STOPPED", 1)


def test_stop_task_sends_sigterm(account):
    """A container that heeds SIGTERM ends with 143, and the caller's reason stands there."""
    arn = account.run("sleep", "60")
    account.wait(arn, "RUNNING")
    answer = account.stop(arn, reason="enough")
    assert answer["desiredStatus"] == "STOPPED"
    task = account.wait(arn)
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert task["containers"][0]["exitCode"] == 143


def test_a_container_may_end_in_its_own_way_on_sigterm(account):
    """The exit code is the one that the signal's handler chose."""
    arn = account.run("sh", "-c", "trap 'exit 7' TERM; echo ready; while true; do sleep 0.05; done")
    account.wait_for_output(arn)
    account.stop(arn)
    assert account.wait(arn)["containers"][0]["exitCode"] == 7


def test_stop_task_kills_after_the_stop_timeout(account):
    """A container that ignores SIGTERM is killed after stopTimeout (1 s here), with 137."""
    arn = account.run(*IGNORE_SIGTERM)
    account.wait_for_output(arn)
    account.stop(arn)
    task = account.wait(arn)
    assert task["containers"][0]["exitCode"] == 137
    assert 0.9 < (task["executionStoppedAt"] - task["stoppingAt"]).total_seconds() < 15


def test_a_task_that_is_stopped_before_it_runs_never_starts(account):
    """It has no startedAt and no exit code, and no process was there."""
    account.fargate.configure(provisioning_time=90)
    arn = account.run("sleep", "60")
    account.stop(arn)
    task = account.wait(arn)
    assert "startedAt" not in task
    assert "executionStoppedAt" not in task
    assert "exitCode" not in task["containers"][0]
    assert account.ledger(arn)["containers"][0]["pid"] is None
    assert account.history(arn) == ["PROVISIONING", "DEPROVISIONING", "STOPPED"]


def test_stopping_twice_changes_nothing(account):
    """The second StopTask is answered, and the first one's reason stays."""
    arn = account.run("sleep", "60")
    account.stop(arn, reason="first")
    account.wait(arn)
    assert account.stop(arn, reason="second")["stoppedReason"] == "first"


@another_chance
def test_stopping_time_keeps_a_task_from_being_stopped(account):
    """The containers' end and STOPPED are as far apart as the setting says."""
    account.fargate.configure(stopping_time=0.6)
    task = account.end_of("true")
    assert 0.55 < (task["stoppedAt"] - task["executionStoppedAt"]).total_seconds() < 1.5


@another_chance
def test_provisioning_time_keeps_a_task_from_running(account):
    """RunTask and RUNNING are as far apart as the setting says."""
    account.fargate.configure(provisioning_time=0.6)
    task = account.end_of("true")
    assert 0.55 < (task["startedAt"] - task["createdAt"]).total_seconds() < 1.5


def test_the_description_has_what_an_executor_reads(account):
    """Identity, placement, sizes, overrides and the network interface."""
    arn = account.run("sleep", "60", startedBy="me/1-a_b", group="mine", environment={"A": "b"})
    task = account.wait(arn, "RUNNING")
    assert task["clusterArn"].endswith(f":cluster/{account.cluster}")
    assert task["taskDefinitionArn"].endswith(f":task-definition/{account.task_definition}")
    assert {name: task[name] for name in ("startedBy", "group", "launchType", "cpu", "memory")} == {
        "startedBy": "me/1-a_b",
        "group": "mine",
        "launchType": "FARGATE",
        "cpu": "256",
        "memory": "512",
    }
    assert (task["platformVersion"], task["desiredStatus"], task["connectivity"]) == (
        "1.4.0",
        "RUNNING",
        "CONNECTED",
    )
    override = task["overrides"]["containerOverrides"][0]
    assert override["command"] == ["sleep", "60"]
    assert override["environment"] == [{"name": "A", "value": "b"}]
    container = task["containers"][0]
    assert (container["name"], container["taskArn"], container["lastStatus"]) == (
        account.container,
        arn,
        "RUNNING",
    )
    assert container["containerArn"].split("/")[1:3] == arn.split("/")[1:3]
    assert container["runtimeId"].startswith(arn.rsplit("/", 1)[1])
    (interface,) = task["attachments"]
    details = {detail["name"]: detail["value"] for detail in interface["details"]}
    assert (interface["type"], interface["status"]) == ("ElasticNetworkInterface", "ATTACHED")
    assert details["subnetId"] == account.subnets[0]
    assert container["networkInterfaces"][0]["privateIpv4Address"] == details["privateIPv4Address"]


def test_the_ledger_tells_everything(account):
    """What was asked for, which process it was, and what became of it."""
    request = {"startedBy": "ledger", "clientToken": "for-the-ledger", "environment": {"LAUNCH": "1"}}
    task = account.end_of("sh", "-c", "echo $$; exit 2", **request)
    entry = account.ledger(task["taskArn"])
    assert (entry["startedBy"], entry["clientToken"], entry["stopCode"]) == (
        "ledger",
        "for-the-ledger",
        "EssentialContainerExited",
    )
    (container,) = entry["containers"]
    assert container["command"] == ["sh", "-c", "echo $$; exit 2"]
    assert container["environment"] == {"LAUNCH": "1"}
    assert [str(container["pid"])] == account.output(task["taskArn"])
    assert (container["exitCode"], container["actualExitCode"]) == (2, 2)
    moments = [step["at"] for step in entry["history"]]
    assert (moments, moments[-1]) == (sorted(moments), entry["stoppedAt"])


def test_the_version_grows_with_each_change(account):
    """Each state has a higher version than the one before."""
    arn = account.run("true")
    first = account.describe(arn)["version"]
    assert account.wait(arn)["version"] > first


def test_overrides_of_cpu_and_memory_are_the_tasks(account):
    """A task-level override takes the place of the definition's size."""
    overrides = {
        "cpu": "1024",
        "memory": "2048",
        "containerOverrides": [{"name": "airflow", "command": ["true"]}],
    }
    task = account.end_of(overrides=overrides)
    assert (task["cpu"], task["memory"]) == ("1024", "2048")


@pytest.mark.parametrize(
    ("platform", "family", "architecture"),
    [
        ({}, "Linux", "x86_64"),
        ({"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}, "Linux", "arm64"),
        ({"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}, "Windows Server 2022 Core", "x86_64"),
    ],
)
def test_the_platform_is_the_definitions(account, platform, family, architecture):
    """Operating system and CPU architecture, from RunTask's answer on."""
    definition = account.register("platform", {"name": account.container}, runtimePlatform=platform)
    task = account.ecs.run_task(**account.request("true", taskDefinition=definition))["tasks"][0]
    assert task["platformFamily"] == family
    assert task["attributes"] == [{"name": "ecs.cpu-architecture", "value": architecture}]


class TestSeveralContainers:
    @pytest.fixture
    def pair(self, account):
        def register(essential, command):
            sidecar = {
                "name": "sidecar",
                "essential": essential,
                "stopTimeout": 2,
                "command": ["sh", "-c", command],
            }
            return account.register("pair", {"name": account.container, "essential": True}, sidecar)

        return register

    @staticmethod
    def codes(task):
        return {container["name"]: container.get("exitCode") for container in task["containers"]}

    def test_a_sidecar_is_stopped_with_the_task(self, account, pair):
        """The essential container's exit sends SIGTERM to the rest; each has its own exit code, by name."""
        task = account.end_of("sh", "-c", "sleep 0.2; exit 4", taskDefinition=pair(False, "sleep 60"))
        assert self.codes(task) == {"airflow": 4, "sidecar": 143}

    def test_a_sidecar_that_ends_does_not_end_the_task(self, account, pair):
        """A container that is not essential may exit while the task runs, and its exit code is told."""
        arn = account.run("sleep", "60", taskDefinition=pair(False, "exit 9"))
        account.wait(arn, "RUNNING")
        deadline = time.monotonic() + 15
        while self.codes(account.describe(arn))["sidecar"] is None and time.monotonic() < deadline:
            time.sleep(0.02)
        task = account.describe(arn)
        assert task["lastStatus"] == "RUNNING"
        assert self.codes(task) == {"airflow": None, "sidecar": 9}

    def test_any_essential_container_ends_the_task(self, account, pair):
        """The named container is stopped because another essential one ended."""
        task = account.end_of("sleep", "60", taskDefinition=pair(True, "sleep 0.2; exit 5"))
        assert self.codes(task) == {"airflow": 143, "sidecar": 5}
        assert task["stopCode"] == "EssentialContainerExited"


def test_tags_are_told_only_where_asked_for(account):
    """DescribeTasks tells tags with include=TAGS only; RunTask always does."""
    tags = [{"key": "team", "value": "data"}]
    answer = account.ecs.run_task(**account.request("true", tags=tags))
    assert answer["tasks"][0]["tags"] == tags
    arn = answer["tasks"][0]["taskArn"]
    assert "tags" not in account.describe(arn)
    assert account.describe(arn, include=["TAGS"])["tags"] == tags


def test_tags_of_the_definition_are_propagated(account):
    """PropagateTags takes over the task definition's tags; the task's own win."""
    definition = account.register(
        "tagged",
        {"name": account.container},
        tags=[{"key": "a", "value": "definition"}, {"key": "b", "value": "definition"}],
    )
    arn = account.run(
        taskDefinition=definition, propagateTags="TASK_DEFINITION", tags=[{"key": "a", "value": "task"}]
    )
    tags = {tag["key"]: tag["value"] for tag in account.describe(arn, include=["TAGS"])["tags"]}
    assert tags == {"a": "task", "b": "definition"}


def test_no_moment_lies_ahead():
    """A stopped task that is kept for no time is never seen, in whichever part of a millisecond it has stopped."""
    store = TaskStore(clock=lambda: 1000.0006)
    task, _ = made("true")
    Lifecycle(store, None, None).be_over(task)
    assert task.times["stoppedAt"] <= store.clock()

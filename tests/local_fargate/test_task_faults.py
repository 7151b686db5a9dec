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

import json
import time
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError
from tools.harness.chances import another_chance


def fault(account, kind, **members):
    account.fargate.configure(faults=[{"kind": kind, "times": 1, **members}])


def post(account, path, content):
    request = urllib.request.Request(
        f"{account.fargate.endpoint_url}/_fargate/{path}", json.dumps(content).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def struck(account, setting):
    return account.fargate.strikes().get((setting, "*"), 0)


def code(task):
    return task["containers"][0].get("exitCode")


class TestPlacement:
    def test_no_capacity(self, account):
        """RunTask answers 200 with a failure for each task, and the next one finds room."""
        fault(account, "capacity")
        answer = account.ecs.run_task(**account.request(count=2))
        assert answer["tasks"] == []
        assert len(answer["failures"]) == 2
        assert answer["failures"][0]["reason"].startswith("Capacity is unavailable at this time.")
        assert account.run()

    def test_a_reason_of_ones_own(self, account):
        """Any failure reason can be told."""
        fault(account, "capacity", reason="RESOURCE:ENI")
        (failure,) = account.ecs.run_task(**account.request())["failures"]
        assert failure["reason"] == "RESOURCE:ENI"

    def test_the_vcpu_quota(self, account):
        """Tasks that are not stopped count, by their vCPUs; part of a call may fit."""
        account.fargate.configure(vcpu_quota=0.75, pretend={"duration": 60})
        met = struck(account, "vcpu_quota")
        answer = account.ecs.run_task(**account.request(count=5))
        assert (len(answer["tasks"]), len(answer["failures"])) == (3, 2)
        assert struck(account, "vcpu_quota") == met + 2
        assert answer["failures"][0]["reason"].startswith("You've reached the limit on the number of vCPUs")
        arn = answer["tasks"][0]["taskArn"]
        account.wait(arn, "RUNNING")
        account.stop(arn)
        account.wait(arn)
        assert account.run()


class TestKinds:
    STRATEGY = {
        "launchType": None,
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
    }
    SPOT = {
        "launchType": None,
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    }

    STRUCK = (
        ({"capacity_provider": "FARGATE_SPOT"}, SPOT, True),
        ({"capacity_provider": "FARGATE_SPOT"}, STRATEGY, False),
        ({"capacity_provider": "FARGATE_SPOT"}, {}, False),
        ({"capacity_provider": "FARGATE"}, {}, True),
        ({"launch_type": "FARGATE"}, {}, True),
        ({"launch_type": "FARGATE"}, STRATEGY, False),
        ({"over_cpu": 256}, {}, False),
        ({"over_cpu": 128}, {}, True),
        ({"over_cpu": 128, "launch_type": "EC2"}, {}, False),
        ({"image": "local/airflow"}, {}, True),
        ({"image": "local/other"}, {}, False),
    )

    @pytest.mark.parametrize("kind_of_fault", ["capacity", "start_failure"])
    def test_capacity_lacks_by_kind(self, account, kind_of_fault):
        """RunTask's failure, or the end of a task that never started, for the kind that the fault names alone."""
        found = []
        for kind, members, _ in self.STRUCK:
            fault(account, kind_of_fault, reason="RESOURCE:CPU", **kind)
            answer = account.ecs.run_task(**account.request(**members))
            told = [failure["reason"] for failure in answer["failures"]]
            told += [account.wait(task["taskArn"])["stoppedReason"] for task in answer["tasks"]]
            found.append((kind, members, told == ["RESOURCE:CPU"]))
        assert tuple(found) == self.STRUCK

    def test_a_subnet_can_be_full(self, account):
        """What goes to another one is placed."""
        full, other = account.subnets[:2]
        fault(account, "capacity", subnet=full)
        network = {"awsvpcConfiguration": {"subnets": [other]}}
        assert account.ecs.run_task(**account.request(networkConfiguration=network))["failures"] == []
        network = {"awsvpcConfiguration": {"subnets": [full, other]}}
        assert len(account.ecs.run_task(**account.request(networkConfiguration=network))["failures"]) == 1


class TestThoseThatHaveStopped:
    def test_many_are_put_there(self, account):
        """They are listed as STOPPED, and described with exit code 0, as if they had run."""
        request = account.request("true", startedBy="put")
        arns = account.fargate.put_stopped(request, 250)
        assert len(arns) == len(set(arns)) == 250
        assert set(arns) <= set(account.list(desiredStatus="STOPPED"))
        assert account.list(startedBy="put") == []
        task = account.describe(arns[-1])
        assert (task["lastStatus"], code(task), task["stopCode"]) == (
            "STOPPED",
            0,
            "EssentialContainerExited",
        )
        assert task["executionStoppedAt"]

    def test_over_http(self, account):
        """They can be asked for under /_fargate."""
        arns = post(account, "tasks", {"request": account.request("true"), "count": 3})["taskArns"]
        assert len(arns) == 3

    @pytest.mark.parametrize(
        ("given", "mistake"),
        [
            ({"count": 3}, "request: is missing"),
            ({"request": {}, "count": 0}, "count: must be a whole number"),
            ({"request": {"cluster": "none", "taskDefinition": "none"}, "count": 1}, "request: "),
        ],
    )
    def test_mistakes(self, account, given, mistake):
        """A request that AWS would refuse is one."""
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(account, "tasks", given)
        assert mistake in caught.value.read().decode()


class TestFailuresToStart:
    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("image", "CannotPullContainerError"),
            ("eni", "Timeout waiting for network interface provisioning to complete."),
            ("resources", "ResourceInitializationError"),
            ("my own words", "my own words"),
        ],
    )
    def test_a_task_that_never_starts(self, account, reason, told):
        """TaskFailedToStart with its reason; no startedAt, no exit code, no process."""
        fault(account, "start_failure", reason=reason)
        task = account.end_of("sleep", "60")
        assert (task["stopCode"], "startedAt" in task, code(task)) == ("TaskFailedToStart", False, None)
        assert task["stoppedReason"].startswith(told)
        assert task["containers"][0]["reason"] == task["stoppedReason"]
        assert account.ledger(task["taskArn"])["containers"][0]["pid"] is None
        assert code(account.end_of("true")) == 0

    @pytest.mark.parametrize(
        ("reason", "states"),
        [
            ("RESOURCE:CPU", ["PROVISIONING"]),
            ("Create Network Interface: InsufficientFreeAddressesInSubnet", ["PROVISIONING"]),
            ("image", ["PROVISIONING", "PENDING"]),
            ("resources", ["PROVISIONING", "PENDING"]),
        ],
    )
    def test_when_it_fails(self, account, reason, states):
        """Without capacity or an address a task never leaves PROVISIONING; an image is pulled while it is PENDING."""
        fault(account, "start_failure", reason=reason)
        task = account.end_of("true")
        assert account.history(task["taskArn"]) == [*states, "DEPROVISIONING", "STOPPED"]

    def test_without_a_stop_code(self, account):
        """A reason can come without one."""
        fault(account, "start_failure", stop_code="", reason="Your Spot Task was interrupted.")
        task = account.end_of("true")
        assert ("stopCode" in task, task["stoppedReason"]) == (False, "Your Spot Task was interrupted.")

    def test_another_stop_code(self, account):
        """Spot without capacity never starts the task, and says so with a stop code of its own."""
        fault(
            account, "start_failure", stop_code="SpotInterruption", reason="Your Spot Task was interrupted."
        )
        task = account.end_of("true")
        assert (task["stopCode"], "startedAt" in task, code(task)) == ("SpotInterruption", False, None)


class TestInterruptions:
    @another_chance
    def test_spot(self, account):
        """The notice comes with SIGTERM, while the task is RUNNING for as long as its containers live."""
        fault(account, "spot_interruption", after=0.1)
        arn = account.run("sh", "-c", "trap 'sleep 0.4; exit 12' TERM; while true; do sleep 0.05; done")
        account.wait(arn, "RUNNING")
        while (task := account.describe(arn))["desiredStatus"] == "RUNNING":
            time.sleep(0.02)
        assert (task["lastStatus"], task["stopCode"]) == ("RUNNING", "SpotInterruption")
        task = account.wait(arn)
        assert (task["stoppedReason"], code(task)) == ("Your Spot Task was interrupted.", 12)

    @another_chance
    def test_spot_kills_after_the_warning(self, account):
        """A container that ignores SIGTERM has no longer than the warning."""
        definition = account.register("patient", {"name": account.container, "stopTimeout": 60})
        fault(account, "spot_interruption", after=0.3, warning=0.3)
        command = ("sh", "-c", "trap '' TERM; while true; do sleep 0.05; done")
        assert code(account.end_of(*command, taskDefinition=definition)) == 137

    def test_maintenance(self, account):
        """The host goes away: SIGTERM, and ECS's own reason."""
        fault(account, "maintenance", after=0.1)
        task = account.end_of("sleep", "60")
        assert (task["stopCode"], code(task)) == ("ServiceSchedulerInitiated", 143)
        assert task["stoppedReason"].startswith("ECS is performing maintenance")

    def test_out_of_memory(self, account):
        """The container is killed; the task ends as it does when an essential container exits."""
        fault(account, "out_of_memory", after=0.1)
        task = account.end_of("sleep", "60")
        assert (task["stopCode"], code(task)) == ("EssentialContainerExited", 137)
        assert task["containers"][0]["reason"].startswith("OutOfMemoryError")

    def test_a_running_task_by_its_arn(self, account):
        """The control endpoint interrupts a task that runs already, and only that one."""
        arn, other = account.run("sleep", "60"), account.run("sleep", "60")
        account.wait(arn, "RUNNING")
        assert post(account, "interruptions", {"kind": "spot_interruption", "task": arn}) == {
            "taskArns": [arn]
        }
        assert account.wait(arn)["stopCode"] == "SpotInterruption"
        assert account.describe(other)["desiredStatus"] == "RUNNING"

    def test_all_running_tasks(self, account):
        """Without a task, all that are RUNNING are concerned."""
        account.fargate.configure(pretend={"duration": 60})
        arns = [account.run() for _ in range(3)]
        for arn in arns:
            account.wait(arn, "RUNNING")
        assert set(arns) <= set(post(account, "interruptions", {"kind": "maintenance"})["taskArns"])
        assert {account.wait(arn)["stopCode"] for arn in arns} == {"ServiceSchedulerInitiated"}

    @pytest.mark.parametrize("content", [{"kind": "capacity"}, {}, {"kind": "maintenance", "x": 1}, []])
    def test_what_is_no_interruption_is_refused(self, account, content):
        """A mistake is told, and nothing is done."""
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(account, "interruptions", content)
        assert caught.value.code == 400
        assert json.load(caught.value)["mistakes"]


class TestMissing:
    @another_chance
    def test_for_the_first_seconds(self, account):
        """Not even StopTask and ListTasks know the task; later it is there, and has run all the while."""
        account.fargate.configure(missing_for=0.5)
        starter, met = str(uuid.uuid4()), struck(account, "missing_for")
        arn = account.run("true", startedBy=starter)
        answer = account.ecs.describe_tasks(cluster=account.cluster, tasks=[arn])
        assert (answer["tasks"], answer["failures"]) == ([], [{"arn": arn, "reason": "MISSING"}])
        assert struck(account, "missing_for") == met + 1
        assert account.list(startedBy=starter) == []
        with pytest.raises(ClientError, match="The referenced task was not found."):
            account.stop(arn)
        time.sleep(0.55)
        assert code(account.wait(arn)) == 0

    def test_for_ever(self, account):
        """RunTask named a task that was never seen again; nothing runs."""
        fault(account, "missing")
        arn = account.run("true")
        time.sleep(0.2)
        answer = account.ecs.describe_tasks(cluster=account.cluster, tasks=[arn])
        assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]
        entry = account.ledger(arn)
        assert (entry["neverSeen"], entry["lastStatus"]) == (True, "PROVISIONING")


class TestPretendedTasks:
    def test_they_take_their_time_and_have_an_exit_code(self, account):
        """No process is there; time and exit code are the settings'."""
        account.fargate.configure(pretend={"duration": 0.3, "exit_codes": 5})
        task = account.end_of("/no/such/program")
        assert code(task) == 5
        assert 0.28 < (task["executionStoppedAt"] - task["startedAt"]).total_seconds() < 15
        assert account.ledger(task["taskArn"])["containers"][0]["pid"] is None

    def test_they_heed_stop_task(self, account):
        """StopTask ends a pretended container as SIGTERM would."""
        account.fargate.configure(pretend={"duration": 60})
        arn = account.run()
        account.wait(arn, "RUNNING")
        account.stop(arn)
        assert code(account.wait(arn)) == 143

    def test_a_sidecar_pretends_until_it_is_stopped(self, account):
        """What is not essential runs until the task ends."""
        definition = account.register(
            "pretended", {"name": account.container}, {"name": "sidecar", "essential": False}
        )
        account.fargate.configure(pretend={"duration": 0.1})
        containers = account.end_of(taskDefinition=definition)["containers"]
        assert [container["exitCode"] for container in containers] == [0, 143]

    def test_thousands_at_once(self, account):
        """1,000 tasks that overlap all come to their end, each with its whole chain."""
        account.fargate.configure(
            provisioning_time=[0, 0.2],
            pretend={"duration": [0.1, 0.5], "exit_codes": {"0": 9, "1": 1}},
            seed=1,
        )
        for _ in range(100):
            account.ecs.run_task(**account.request(count=10, startedBy="crowd"))
        deadline, alive = time.monotonic() + 60, True
        while alive:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            crowd = [entry for entry in account.fargate.ledger() if entry.get("startedBy") == "crowd"]
            alive = {entry["lastStatus"] for entry in crowd} != {"STOPPED"}
        assert len(crowd) == 1000
        assert account.list(startedBy="crowd") == []
        assert {len(entry["history"]) for entry in crowd} == {8}
        failed = sum(entry["containers"][0]["exitCode"] for entry in crowd)
        assert 70 < failed < 130

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

import os
import signal
import tempfile
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tools.harness.processes import wait_until
from tools.simulator.containers import process_tree
from tools.simulator.containers.host import ContainerHost, StartFailure
from tools.simulator.server import LocalFargate
from tools.simulator.timers import Timers

from tests.local_fargate.conftest import made


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestEnvironment:
    def test_it_is_the_definitions_and_the_overrides(self, account, monkeypatch):
        """The override wins over the definition; nothing of the server's own environment gets through."""
        monkeypatch.setenv("OF_THE_SERVER", "secret")
        task = account.end_of("env", environment={"FROM_OVERRIDE": "override", "SHADOWED": "override"})
        environment = dict(line.split("=", 1) for line in account.output(task["taskArn"]))
        assert environment["FROM_DEFINITION"] == "definition"
        assert environment["FROM_OVERRIDE"] == "override"
        assert environment["SHADOWED"] == "override"
        assert set(environment) == {
            "FROM_DEFINITION",
            "FROM_OVERRIDE",
            "SHADOWED",
            "PATH",
            "HOME",
            "LANG",
            "AWS_EXECUTION_ENV",
            "AWS_REGION",
            "AWS_DEFAULT_REGION",
            "ECS_CONTAINER_METADATA_URI_V4",
        }

    def test_a_variable_without_a_value_is_empty(self, account):
        """The model asks for neither name nor value."""
        override = {"name": account.container, "command": ["env"], "environment": [{"name": "EMPTY"}]}
        task = account.end_of(overrides={"containerOverrides": [override]})
        assert "EMPTY=" in account.output(task["taskArn"])

    def test_home_is_the_containers_own_and_goes_with_it(self, account):
        """What a container writes to its home is gone afterwards."""
        task = account.end_of("sh", "-c", 'touch "$HOME/file"; pwd; echo "$HOME"')
        directory, home = account.output(task["taskArn"])
        assert directory == home
        assert not Path(home).exists()

    def test_a_container_finds_its_task(self, account):
        """The metadata address tells the task's ARN, as on Fargate."""
        task = account.end_of("sh", "-c", "echo $ECS_CONTAINER_METADATA_URI_V4")
        (address,) = account.output(task["taskArn"])
        with urllib.request.urlopen(f"{address}/task") as answer:
            assert task["taskArn"].encode() in answer.read()

    def test_the_entry_point_comes_first(self, account):
        """The override takes the place of the command, never of the entry point."""
        definition = account.register(
            "entry", {"name": account.container, "entryPoint": ["sh", "-c"], "command": ["exit 1"]}
        )
        assert account.end_of("exit 6", taskDefinition=definition)["containers"][0]["exitCode"] == 6

    def test_the_definitions_command_runs_where_there_is_no_override(self, account):
        """Without an override the definition's command runs."""
        definition = account.register(
            "command", {"name": account.container, "command": ["sh", "-c", "exit 8"]}
        )
        assert account.end_of(taskDefinition=definition, overrides=None)["containers"][0]["exitCode"] == 8


class TestOutput:
    def test_both_outputs_go_to_the_stream_of_the_container(self, account):
        """Standard output and error, line by line, the last one without its newline too."""
        task = account.end_of("sh", "-c", "echo one; echo two >&2; printf three")
        assert account.output(task["taskArn"]) == ["one", "two", "three"]

    def test_it_can_be_read_while_the_container_runs(self, account):
        """A line is there before the container ends."""
        arn = account.run("sh", "-c", "echo early; sleep 60")
        assert account.wait_for_output(arn) == ["early"]

    def test_much_output_is_kept_whole_and_in_order(self, account):
        """More than a pipe holds, from a container that ends at once."""
        task = account.end_of("sh", "-c", "seq 1 20000")
        stream = f"ecs/{account.container}/{task['taskArn'].rsplit('/', 1)[1]}"
        lines, token = [], None
        while True:
            page = account.logs.get_log_events(
                logGroupName=account.log_group,
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            lines += [int(event["message"]) for event in page["events"]]
            if page["nextForwardToken"] == token:
                break
            token = page["nextForwardToken"]
        assert lines == list(range(1, 20001))

    def test_each_container_has_its_own_stream(self, account):
        """The stream is prefix/container/task-id."""
        options = {
            "awslogs-group": account.log_group,
            "awslogs-region": "us-east-1",
            "awslogs-stream-prefix": "ecs",
        }
        logs = {"logDriver": "awslogs", "options": options}
        definition = account.register(
            "streams",
            {"name": account.container, "logConfiguration": logs},
            {"name": "other", "essential": False, "command": ["echo", "other"], "logConfiguration": logs},
        )
        arn = account.end_of("sh", "-c", "sleep 0.3; echo main", taskDefinition=definition)["taskArn"]
        assert account.output(arn) == ["main"]
        assert account.output(arn, "other") == ["other"]

    def test_a_group_that_does_not_exist_fails_the_start(self, account):
        """As on Fargate, where only awslogs-create-group creates one."""
        options = {"awslogs-group": "/no/group", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "x"}
        logs = {"logDriver": "awslogs", "options": options}
        definition = account.register("no-group", {"name": account.container, "logConfiguration": logs})
        task = account.end_of(taskDefinition=definition)
        assert task["stopCode"] == "TaskFailedToStart"
        assert "The specified log group does not exist" in task["stoppedReason"]
        options["awslogs-create-group"] = "true"
        definition = account.register("no-group", {"name": account.container, "logConfiguration": logs})
        assert account.end_of(taskDefinition=definition)["containers"][0]["exitCode"] == 0

    def test_a_container_without_options_has_no_stream(self, account):
        """Without awslogs options the output goes nowhere, and the task runs."""
        definition = account.register("silent", {"name": account.container})
        task = account.end_of("echo", "x", taskDefinition=definition)
        assert task["containers"][0]["exitCode"] == 0
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            account.output(task["taskArn"])


class TestStartFailures:
    @pytest.mark.parametrize("command", [["/no/such/program"], ["/etc/passwd"], ["no-such-program-on-path"]])
    def test_a_command_that_cannot_be_run(self, account, command):
        """The task fails to start, with no exit code and the reason at the container."""
        task = account.end_of(*command)
        assert task["stopCode"] == "TaskFailedToStart"
        assert "startedAt" not in task
        container = task["containers"][0]
        assert "exitCode" not in container
        assert container["reason"].startswith("CannotStartContainerError: ")

    def test_a_container_without_a_command(self, account):
        """There is no image whose own command could run."""
        definition = account.register("empty", {"name": account.container})
        task = account.end_of(taskDefinition=definition, overrides=None)
        assert "needs a command" in task["stoppedReason"]

    def test_what_started_before_the_failure_is_stopped(self, account):
        """A task whose second container cannot start ends the first one."""
        definition = account.register(
            "half",
            {"name": account.container},
            {"name": "broken", "essential": False, "command": ["/no/such/program"]},
        )
        task = account.end_of("sleep", "60", taskDefinition=definition)
        assert task["stopCode"] == "TaskFailedToStart"
        assert not is_alive(account.ledger(task["taskArn"])["containers"][0]["pid"])


class TestWhatIsLeftBehind:
    @pytest.mark.parametrize(
        "command",
        ["sleep 61 & echo $!", "setsid sleep 61 & echo $!", "(trap '' TERM HUP; sleep 61) & echo $!"],
        ids=["in the group", "in a session of its own", "deaf to signals"],
    )
    def test_background_processes_end_with_the_container(self, account, command):
        """The main process's end is the end of everything that it started, and the task does not wait."""
        task = account.end_of("sh", "-c", command)
        assert task["containers"][0]["exitCode"] == 0
        assert not is_alive(int(account.output(task["taskArn"])[0]))

    def test_a_process_of_the_session_is_found_without_the_marker(self, account):
        """A process that has another environment, as one that changes its title seems to have."""
        task = account.end_of("sh", "-c", "env -i sleep 61 & echo $!; sleep 0.2")
        assert not is_alive(int(account.output(task["taskArn"])[0]))

    def test_only_the_main_process_gets_sigterm(self, account):
        """As with a container runtime: a child hears of it only through its parent."""
        child = "trap 'echo child' TERM; while true; do sleep 0.05; done"
        arn = account.run("sh", "-c", f'sh -c "{child}" & trap "exit 0" TERM; echo ready; wait; wait')
        assert account.wait_for_output(arn) == ["ready"]
        account.stop(arn)
        assert account.wait(arn)["containers"][0]["exitCode"] == 0
        assert account.output(arn) == ["ready"]

    def test_a_strangers_process_is_left_alone(self):
        """Neither another session nor another marker is touched."""
        pid = os.posix_spawnp("sleep", ["sleep", "61"], {**os.environ, "MARK": "a/1"}, setsid=True)
        try:
            process_tree.end_all([], "MARK=b/")
            assert is_alive(pid)
            process_tree.end_all([], "MARK=a/")
            wait_until(lambda: not is_alive(pid), timeout=30, what="it has ended")
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_a_process_that_executes_its_program_just_now_is_waited_for(self, monkeypatch):
        """Linux shows neither its environment nor its arguments for a moment."""
        pid, ended = 1 << 30, []
        starting = process_tree._Process(pid, pid, b"", is_starting=True)
        started = process_tree._Process(pid, pid, b"MARK=a/1", is_starting=False)
        looks = iter([[starting], [started], []])
        monkeypatch.setattr(process_tree, "_living", lambda: next(looks))
        monkeypatch.setattr(process_tree.os, "kill", lambda *args: ended.append(args))
        process_tree.end_all([], "MARK=a/")
        assert ended == [(pid, signal.SIGKILL)]

    def test_a_server_whose_reaper_was_ended_still_ends_its_containers(self, tmp_path, monkeypatch):
        """The reaper is for a server that was killed; one that lives does it itself."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        host = ContainerHost("MARK=no-reaper", Timers(), lambda task, container: None)
        task, container = made("sleep", "61")
        host._reaper._process.kill()
        host._reaper._process.wait()
        host.start(task, container)
        assert is_alive(container.pid)
        host.close()
        wait_until(lambda: not is_alive(container.pid), timeout=30, what="it has ended")
        assert list(tmp_path.iterdir()) == []

    def test_nothing_starts_once_the_end_has_begun(self):
        """A container that comes late is a failure to start, not a process that outlives the server."""
        host = ContainerHost("MARK=late", Timers(), lambda task, container: None)
        host.close()
        task, container = made("sleep", "61")
        with pytest.raises(StartFailure, match="about to end"):
            host.start(task, container)
        assert container.pid is None

    def test_closing_the_server_ends_its_containers(self, account):
        """Every container's process is gone when close() returns."""
        with LocalFargate({"provisioning_time": 0}) as other:
            ecs = other.client("ecs")
            arns = [
                task["taskArn"]
                for task in ecs.run_task(**account.request("sh", "-c", "trap '' TERM; sleep 61", count=3))[
                    "tasks"
                ]
            ]
            wait_until(
                lambda: all(
                    task["lastStatus"] == "RUNNING"
                    for task in ecs.describe_tasks(cluster=account.cluster, tasks=arns)["tasks"]
                ),
                timeout=30,
                what="all run",
            )
            pids = [entry["containers"][0]["pid"] for entry in other.ledger()]
        assert len(pids) == 3
        assert not any(map(is_alive, pids))

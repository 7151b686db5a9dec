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

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import psutil
import pytest
from tools.harness.processes import wait_until

#: Seconds after which a test that waits for a process fails; none takes that long.
PATIENCE = 30
SCRIPT = Path(__file__).parents[2] / "scripts" / "local_fargate.py"


@contextlib.contextmanager
def running(*arguments, **environment):
    """Run the script; yields what it says of itself."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], **environment},
    )
    try:
        facts = json.loads(process.stdout.readline())
        assert facts["pid"] == process.pid
        yield process, facts
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def client(facts):
    return boto3.client(
        "ecs",
        endpoint_url=facts["endpoint_url"],
        region_name=facts["region"],
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def control(facts, method, path, content=None):
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{facts['control_url']}/{path}", data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def start_container(facts, *command):
    """Start a container, and return its process id once it runs."""
    ecs = client(facts)
    override = {"name": facts["container_name"], "command": list(command)}
    (task,) = ecs.run_task(
        cluster=facts["cluster"],
        taskDefinition=facts["task_definition"],
        launchType="FARGATE",
        networkConfiguration={
            "awsvpcConfiguration": {"subnets": facts["subnets"], "securityGroups": facts["security_groups"]}
        },
        overrides={"containerOverrides": [override]},
    )["tasks"]
    waiter = ecs.get_waiter("tasks_running")
    waiter.config.delay = 0.05
    waiter.wait(cluster=facts["cluster"], tasks=[task["taskArn"]])
    entry = next(
        entry for entry in control(facts, "GET", "tasks")["tasks"] if entry["taskArn"] == task["taskArn"]
    )
    return entry["containers"][0]["pid"]


def processes_with(text):
    """The live processes that have this in their environment or on their command line."""
    found = []
    for directory in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if directory.name.isdigit() and text.encode() in (
                (directory / "environ").read_bytes() + (directory / "cmdline").read_bytes()
            ):
                found.append(int(directory.name))
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Yield what a server says of itself and where it wrote that, for the tests that leave it running."""
    folder = tmp_path_factory.mktemp("server")
    ready, settings = folder / "ready.json", folder / "settings.json"
    settings.write_text('{"seed": 5, "stopping_time": 2}')
    arguments = ["--setup", "--ready-file", ready, "--settings", settings, "--stop-timeout", "7"]
    with running(*arguments, "--container-env", "GREETING=a=b", "--sidecar", "proxy=sleep 60") as (_, facts):
        yield facts, ready


def test_the_ready_file_says_what_the_line_says(server):
    """It is written in one step, so there is nothing beside it."""
    facts, ready = server
    assert json.loads(ready.read_text()) == facts
    assert {path.name for path in ready.parent.iterdir()} == {"ready.json", "settings.json"}
    assert facts.keys() == {
        "endpoint_url",
        "control_url",
        "region",
        "pid",
        "cluster",
        "task_definition",
        "container_name",
        "subnets",
        "security_groups",
        "log_group",
    }


def test_setup_creates_what_run_task_needs(server):
    """What the line names can be used; environment, stop timeout and sidecar stand in the definition."""
    facts, _ = server
    assert start_container(facts, "sleep", "60")
    definition = client(facts).describe_task_definition(taskDefinition=facts["task_definition"])
    main, sidecar = definition["taskDefinition"]["containerDefinitions"]
    assert (main["name"], main["essential"], main["stopTimeout"]) == (facts["container_name"], True, 7)
    assert main["environment"] == [{"name": "GREETING", "value": "a=b"}]
    assert (sidecar["name"], sidecar["essential"]) == ("proxy", False)
    assert sidecar["command"] == ["/bin/sh", "-c", "sleep 60"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_every_process_ends_with_the_server(number, tmp_path):
    """On a signal, even on one that cannot be caught, containers and all they started are ended."""
    scratch = {"TMPDIR": str(tmp_path)}
    with running("--setup", "--settings", '{"provisioning_time": 0}', **scratch) as (process, facts):
        pid = start_container(facts, "sh", "-c", "trap '' TERM HUP; setsid sleep 61 & sleep 61")
        mark = f"{facts['endpoint_url']}/v4/"
        assert pid in processes_with(mark)
        # The shell, its two children and the reaper.
        wait_until(lambda: len(processes_with(mark)) == 4, timeout=PATIENCE, what="they have all started")
        process.send_signal(number)
        assert process.wait(10) == (-number if number == signal.SIGKILL else 0)
        if number != signal.SIGKILL:
            assert processes_with(mark) == []
        wait_until(lambda: not processes_with(mark), timeout=PATIENCE, what="they have all ended")
        wait_until(lambda: not list(tmp_path.iterdir()), timeout=PATIENCE, what="no file is left")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_has_imported_modules_ends_with_the_server(number, tmp_path):
    """So do the containers that are forks of it."""
    environment = f"PATH={Path(sys.executable).parent}"
    arguments = ["--setup", "--settings", '{"provisioning_time": 0}', "--preload", "json"]
    with running(*arguments, "--container-env", environment, TMPDIR=str(tmp_path)) as (process, facts):
        container = psutil.Process(
            start_container(facts, "python", "-m", "http.server", "--bind", "127.0.0.1", "0")
        )
        parent = container.parent()
        assert parent.parent().pid == process.pid
        process.send_signal(number)
        process.wait(10)
        for gone in (container, parent):
            wait_until(lambda: not gone.is_running(), timeout=PATIENCE, what=f"{gone} has ended")
        wait_until(lambda: not list(tmp_path.iterdir()), timeout=PATIENCE, what="no file is left")


def test_settings_at_start_and_while_it_runs(server):
    """They come from a file or the command line, and PUT, PATCH and GET change and tell them."""
    facts, _ = server
    assert control(facts, "GET", "settings")["seed"] == 5
    assert control(facts, "PATCH", "settings", {"missing_for": [1, 2]})["stopping_time"] == 2
    assert control(facts, "GET", "settings")["missing_for"] == [1, 2]
    assert control(facts, "PUT", "settings", {"seed": 6})["missing_for"] == 0
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(facts, "PATCH", "settings", {"seed": "x", "other": 1})
    assert caught.value.code == 400
    assert [mistake.split(":")[0] for mistake in json.load(caught.value)["mistakes"]] == ["other", "seed"]
    assert control(facts, "GET", "settings")["seed"] == 6
    with pytest.raises(urllib.error.HTTPError) as caught:
        control(facts, "GET", "nothing")
    assert caught.value.code == 404


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "0.0.0.0"], "'0.0.0.0' is not a loopback address"),
        (["--host", "example.com"], "'example.com' is not a loopback address"),
        (["--settings", '{"sed": 1, "seed": "x"}'], "seed: must be a whole number"),
        (["--settings", "{"], "not JSON"),
        (["--settings", "/no/such/file"], "No such file"),
        (["--container-env", "NAME"], "'NAME' is not NAME=VALUE"),
    ],
)
def test_a_mistake_keeps_it_from_starting(arguments, told):
    """It is told on standard error, with status 2."""
    ended = subprocess.run([sys.executable, SCRIPT, *arguments], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_listens_on_the_loopback_interface_only(server):
    """The kernel has no other listening socket of it."""
    port = int(server[0]["endpoint_url"].rsplit(":", 1)[1])
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_the_measurement_runs():
    """It prints one line of JSON; how fast the server is depends on the machine, and is not tested."""
    told = subprocess.run(
        [sys.executable, "-m", "tools.simulator.measure", "--seconds", "0.2"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
    ).stdout
    measured = json.loads(told)
    assert measured["tasks_a_call"] == 100
    assert measured["bytes_an_answer"] > 100 * 1100


def test_help_names_every_setting():
    """Whoever needs to know asks --help."""
    told = subprocess.run(
        [sys.executable, SCRIPT, "--help"], check=True, capture_output=True, text=True
    ).stdout
    for word in ("stopping_time", "rate_limits", "response_lost", "spot_interruption", "AWS_ENDPOINT_URL"):
        assert word in told

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
"""The stand-in for a container engine: what ministack's ECS sees of a process is what it would see of a container."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from tools.comparing import seen
from tools.comparing.ministack import ledger_entry
from tools.harness.ministack import STAND_IN


@pytest.fixture(scope="module")
def ecs():
    """An ECS that has one task definition, in which one container has an entry point; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert asked == {"taskDefinition": "airflow-task:3"}
            assert "/us-east-1/ecs/" in self.headers["Authorization"]
            containers = [{"name": "any"}, {"name": "wrapped", "entryPoint": ["env", "OF=definition"]}]
            answer = json.dumps({"taskDefinition": {"containerDefinitions": containers}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def containers(ecs, tmp_path, monkeypatch):
    """Return the containers of a client, as ministack gets it; what runs of them is ended."""
    monkeypatch.syspath_prepend(str(STAND_IN))
    monkeypatch.setenv("STAND_IN_FOLDER", str(tmp_path))
    monkeypatch.setenv("GATEWAY_PORT", str(ecs))
    own = {"PATH": os.environ["PATH"], "WHO": "image"}
    images = {
        "local/airflow": {"environment": own, "entrypoint": []},
        "local/env": {"environment": own, "entrypoint": ["env", "OF=image"]},
    }
    (tmp_path / "images.json").write_text(json.dumps(images))
    for name in [name for name in sys.modules if name.partition(".")[0] == "docker"]:
        monkeypatch.delitem(sys.modules, name)
    import docker

    yield docker.from_env(timeout=1).containers
    for child in psutil.Process().children():
        if child.pid in {int(file.read_text()) for file in tmp_path.glob("*.pid")}:
            child.kill()
    for name in [name for name in sys.modules if name.partition(".")[0] == "docker"]:
        del sys.modules[name]


def run(containers, script, image="local/airflow", container="any", **environment):
    return containers.run(
        image,
        name="one",
        command=["sh", "-c", script],
        environment=environment,
        labels=labels(container),
        detach=True,
    )


def labels(container):
    """Return how ministack labels a container of the one task definition."""
    label = "com.amazonaws.ecs."
    return {
        f"{label}container-name": container,
        f"{label}task-arn": "arn:aws:ecs:us-east-1:000000000000:task/airflow/1",
        f"{label}task-definition-family": "airflow-task",
        f"{label}task-definition-version": "3",
    }


def test_a_container_has_its_own_environment_output_and_exit_code(containers):
    container = run(containers, 'echo "a $WHO"; printf b; exit 3', WHO="me")
    assert list(container.logs(stream=True, follow=True)) == [b"a me\n", b"b"]
    assert container.wait() == {"StatusCode": 3}
    assert (container.status, containers.get(container.id)) == ("exited", container)


@pytest.mark.parametrize(
    ("image", "container", "environment", "said"),
    [
        ("local/airflow", "any", {}, b"image"),
        ("local/airflow", "any", {"WHO": "me"}, b"me"),
        ("local/env", "any", {}, b"image of image"),
        ("local/env", "wrapped", {"WHO": "me"}, b"me of definition"),
    ],
)
def test_a_container_overrides_its_image(containers, image, container, environment, said):
    """Each variable by itself, and the entry point as a whole."""
    script = 'printf "$WHO${OF+ of $OF}"'
    assert list(run(containers, script, image, container, **environment).logs()) == [said]


@pytest.mark.parametrize(
    "script, end, code",
    [
        ("exec sleep 60", lambda container, pid: os.kill(pid, signal.SIGKILL), 137),
        ("exec sleep 60", lambda container, pid: container.stop(timeout=5), 143),
        ("trap '' TERM; echo; while :; do sleep 0.1; done", lambda container, pid: container.stop(timeout=0.1), 137),
    ],
    ids=["killed", "stopped", "stopped by force"],
)  # fmt: skip
def test_exit_code_of_a_signal(containers, tmp_path, script, end, code):
    container = run(containers, script)
    if "trap" in script:
        next(container.logs())  # It ignores SIGTERM by now.
    end(container, int((tmp_path / "one.pid").read_text()))
    assert container.wait() == {"StatusCode": code}


def test_what_is_not_there(containers):
    """Neither an image of somebody else's, nor a container that nobody has started."""
    from docker.errors import ImageNotFound, NotFound

    with pytest.raises(ImageNotFound, match="manifest for docker.io/apache/airflow:3 not found"):
        run(containers, "true", "docker.io/apache/airflow:3")
    with pytest.raises(NotFound):
        containers.get("one")


def test_an_ecs_task_that_is_described_is_read_as_one_of_the_ledger():
    command = ["python", "-m", "any", '{"ti": {"task_id": "a", "map_index": -1, "run_id": "run"}}']
    described = {
        "taskArn": "arn",
        "createdAt": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "lastStatus": "STOPPED",
        "stoppedReason": "It ended",
        "overrides": {"containerOverrides": [{"name": "airflow", "command": command}]},
        "containers": [{"name": "airflow", "exitCode": 0}],
    }
    (task,) = seen.ecs_tasks([ledger_entry(described)])
    assert (task.name, task.stopped_reason, task.live) == ("a[-1]", "It ended", False)
    assert task.created == described["createdAt"].timestamp()

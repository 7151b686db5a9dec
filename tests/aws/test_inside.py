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
"""How what runs in the account for ``scripts/aws/verify`` gets there, and what it prints."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import re
import subprocess
import sys

import pytest
from tools.aws.inside import payload
from tools.aws.inside.components import component_environment
from tools.aws.inside.lines import MARK, Lines
from tools.aws.inside.settings import METADATA, Settings, own_address

from tests.aws.inside_fakes import ENVIRONMENT

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html, member ``overrides``
MAX_OVERRIDES = 8192
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html: a task definition has 64 KiB.
MAX_PACKED = 40 * 1024
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.fixture
def settings():
    return Settings.read(ENVIRONMENT)


def test_the_payload_is_small_and_the_same_for_the_same_files():
    packed = payload.pack()
    assert len(packed) < MAX_PACKED
    assert packed == payload.pack()


def run_packed(program, *arguments, cwd, **environment):
    environment = {
        "PATH": os.environ["PATH"],
        payload.PAYLOAD: payload.pack(),
        "TMPDIR": str(cwd),
        **environment,
    }
    command = [sys.executable, *program[1:], *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_task_finds_the_dags_and_its_command_has_the_exit_code(tmp_path):
    code = "import json, os; [b] = json.loads(os.environ['AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST'])"
    code += f"; print(sorted(os.listdir(b['kwargs']['path'])), '{payload.PAYLOAD}' in os.environ); exit(3)"
    done = run_packed(payload.TASK_ENTRY_POINT, sys.executable, "-c", code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.strip() == "['verify_example.py', 'verify_trials.py'] False"


def test_what_is_unpacked_starts_and_says_what_it_lacks(tmp_path):
    """It imports nothing that the payload does not have."""
    done = run_packed(payload.START, cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == "KeyError: 'VERIFY_CLUSTER'"


def test_the_overrides_that_are_added_are_far_from_the_limit(settings, tmp_path):
    added = component_environment(settings, tmp_path)["AIRFLOW__FARGATE__RUN_TASK_KWARGS"]
    assert len(added) < MAX_OVERRIDES / 8


@pytest.mark.parametrize(
    ("environment", "address"),
    [({}, "127.0.0.1"), ({METADATA: "http://169.254.170.2/v4/x"}, "10.0.1.2")],
)
def test_own_address(environment, address):
    def read(url):
        assert url == "http://169.254.170.2/v4/x"
        return {"Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.1.2"]}]}

    assert own_address(environment, read) == address


@pytest.mark.parametrize("missing", sorted(ENVIRONMENT))
def test_what_is_missing_is_named(missing):
    with pytest.raises(KeyError, match=missing):
        Settings.read({name: value for name, value in ENVIRONMENT.items() if name != missing})


def test_tasks_get_the_address_and_no_secret(settings, tmp_path):
    environment = component_environment(settings, tmp_path)
    added = environment["AIRFLOW__FARGATE__RUN_TASK_KWARGS"]
    assert "http://127.0.0.1:8080/execution/" in added
    assert not [secret for secret in settings.secrets if secret in added]
    assert environment["AIRFLOW__FARGATE__DEPLOYMENT"] == "airflow-verify"


def test_nothing_secret_is_printed(settings):
    stream = io.StringIO()
    lines = Lines(settings.secrets, stream)
    for secret in (*settings.secrets, TOKEN):
        lines.log(f"It is {secret}")
        lines.pass_on("scheduler", [f"It is {secret} \xff\n".encode("latin-1")])
    printed = stream.getvalue()
    assert len(settings.secrets) == 3
    assert not [secret for secret in (*settings.secrets, TOKEN) if secret in printed]
    assert len(printed.splitlines()) == 8
    assert all(line.startswith((MARK, "[scheduler] It is (")) for line in printed.splitlines())


def test_a_recording_comes_in_parts():
    stream = io.StringIO()
    content = {"exchanges": [os.urandom(60_000).hex()]}
    Lines(stream=stream).recording("killed", content)
    parts = [json.loads(line.removeprefix(MARK)) for line in stream.getvalue().splitlines()]
    assert [(part["trial"], part["number"], part["part"]) for part in parts] == [
        ("killed", 1, at) for at in range(1, parts[0]["parts"] + 1)
    ]
    assert json.loads(gzip.decompress(base64.b64decode("".join(part["data"] for part in parts)))) == content


def test_all_that_is_imported_is_packed_or_in_the_image():
    imports = re.compile(r"^\s*(?:from|import) (tools[\w.]*)", re.MULTILINE)
    modules = {name for path in payload.FOLDER.rglob("*.py") for name in imports.findall(path.read_text())}
    assert modules
    assert [name for name in modules if not name.startswith("tools.aws.inside")] == []

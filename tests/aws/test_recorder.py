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
"""The recorder keeps what AWS answers in each process, and harms no call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import boto3
import pytest
from botocore.httpsession import URLLib3Session
from tools.aws.inside import recorder as recorder_module
from tools.aws.inside.recorder import (
    MAX_EXCHANGES,
    MAX_PART,
    Recorder,
    ends,
    from_parts,
    to_exchange,
    to_parts,
    within_limits,
    without_repeated,
)
from tools.aws.inside.replacements import ACCOUNT

ARN = "arn:aws:ecs:us-east-1:999988887777:task/verify/0123456789abcdef0123456789abcdef"
CALL = """
import sys, boto3
client = boto3.session.Session("AKIAABCDEFGHIJKLMNOP", "key", region_name="us-east-1").client(sys.argv[1], endpoint_url=sys.argv[2])
print(getattr(client, sys.argv[3])())
"""


@pytest.fixture
def endpoint():
    """Yield a server whose ``answer`` is the status and the body of all its answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = server.answer
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("x-amzn-RequestId", "any")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer = 200, json.dumps({"taskArns": [ARN]}).encode()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def recorder(monkeypatch, tmp_path):
    """Return a recorder that records what this process is answered until the test ends."""
    monkeypatch.setattr(URLLib3Session, "send", URLLib3Session.send)
    made = Recorder(tmp_path, "any")
    made.install()
    return made


def client(endpoint, service="ecs"):
    session = boto3.session.Session("AKIAABCDEFGHIJKLMNOP", "key", region_name="us-east-1")
    return session.client(service, endpoint_url=endpoint.url)


def call(endpoint, environment, service="ecs", name="list_tasks"):
    """Make a call in another process; return what it writes."""
    command = [sys.executable, "-c", CALL, service, endpoint.url, name]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


def test_two_processes_record_to_one_file(endpoint, recorder):
    """The second one only has other environment variables, and is answered as ever."""
    client(endpoint).list_tasks(startedBy="here")
    written = call(endpoint, os.environ | recorder.environment())
    recording = recorder.take("any")
    assert ARN in written.stdout
    assert written.stderr == ""
    assert [each["request"] for each in recording["exchanges"]] == [{"startedBy": "here"}, {}]
    assert recording["exchanges"][1]["body"] == json.dumps(
        {"taskArns": [ARN.replace("999988887777", ACCOUNT)]}
    )
    assert recording["exchanges"][1]["headers"] == {"content-type": "application/x-amz-json-1.1"}
    assert "AKIA" not in json.dumps(recording)


def test_a_process_that_cannot_record_goes_on(endpoint, recorder, tmp_path):
    """Such as one of another user's, or one whose disk is full."""
    environment = os.environ | recorder.environment()
    (tmp_path / "exchanges.jsonl").mkdir()
    assert ARN in call(endpoint, environment).stdout


def test_the_path_for_modules_is_kept(recorder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/one:/two")
    assert recorder.environment()["PYTHONPATH"].endswith(":/one:/two")


def test_a_trial_has_what_came_since_the_one_before(endpoint, recorder):
    client(endpoint).list_tasks()
    assert len(recorder.take("first")["exchanges"]) == 1
    assert recorder.take("second")["exchanges"] == []


def test_an_error_of_the_recorder_is_counted_and_harms_no_call(endpoint, recorder, monkeypatch):
    monkeypatch.setattr(recorder_module, "to_exchange", lambda *_: 1 / 0)
    assert client(endpoint).list_tasks()["taskArns"] == [ARN]
    assert {**recorder.take("any"), "exchanges": []} == {
        "source": "any",
        "trial": "any",
        "lost": 1,
        "left_out": 0,
        "seen": [],
        "exchanges": [],
    }


def test_a_line_that_was_broken_off_is_counted(endpoint, recorder, tmp_path):
    """What is being written is left for the next time."""
    (tmp_path / "exchanges.jsonl").write_text('{"exchange": {"at\n{"exch')
    assert recorder.take("any")["lost"] == 1
    assert recorder.take("any")["lost"] == 0


def test_other_services_are_not_recorded(endpoint, recorder):
    """Such as the one for credentials."""
    endpoint.answer = 200, b'{"SecretString": "any"}'
    client(endpoint, "secretsmanager").get_secret_value(SecretId="any")
    assert recorder.take("any")["exchanges"] == []


@pytest.mark.parametrize(
    ("status", "body", "kept"),
    [
        (503, b"<html>Service Unavailable</html>", "<html>Service Unavailable</html>"),
        (503, b"", ""),
        (
            400,
            b'{"__type":"com.amazonaws.ecs#ClientException"}',
            '{"__type": "com.amazonaws.ecs#ClientException"}',
        ),
        (200, b'{"a":1.480367265813E9,"b":123456789012}', '{"a": 1.480367265813E9, "b": 123456789012}'),
        (200, b'{"tasks":[{"overrides":{"containerOverrides":[{"command":["run", "sec', '{"tasks":[{"'),
        (400, b"\x1f\x8b\x08\x00gzip", "\x1f\ufffd\x08\x00gzip"),
    ],
)
def test_a_body_is_kept_as_it_came(status, body, kept):
    request = SimpleNamespace(
        headers={"X-Amz-Target": b"AmazonEC2ContainerServiceV20141113.RunTask"}, body=b"{}"
    )
    request.stream_output = False
    response = SimpleNamespace(status_code=status, headers={}, content=body)
    exchange = to_exchange(request, response)
    assert (exchange["operation"], exchange["status"], exchange["body"]) == ("RunTask", status, kept)


def test_lines_of_several_processes_stay_whole(tmp_path):
    """Each is longer than a buffer of Python's, or a page of a pipe."""
    program = "import sys; from tools.aws.inside.recorder import _write\n"
    program += "for _ in range(50): _write(sys.argv[1], sys.argv[2].encode() * 200_000 + b'\\n')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    commands = [[sys.executable, "-c", program, tmp_path / "lines", letter] for letter in "ab"]
    for process in [subprocess.Popen(command, env=environment) for command in commands]:
        assert process.wait(60) == 0
    lines = (tmp_path / "lines").read_text().splitlines()
    assert sorted({(line[:1], len(line), len(set(line))) for line in lines}) == [
        ("a", 200_000, 1),
        ("b", 200_000, 1),
    ]
    assert len(lines) == 100


def said(operation="ListTasks", body="{}", status=200, **request):
    return {
        "service": "ecs",
        "operation": operation,
        "request": request,
        "status": status,
        "headers": {},
        "body": body,
    }


@pytest.mark.parametrize(
    ("exchanges", "kept"),
    [
        ([said(body='{"at": 1.5}'), said(body='{"at": 2.5E9}')], [0]),
        ([said(body="a"), said(body="b"), said(body="a")], [0, 1, 2]),
        ([said(nextToken="a"), said(nextToken="b")], [0, 1]),
        ([said(body="a"), said(body="a", status=400)], [0, 1]),
        # What a clientToken is good for.
        ([said("RunTask"), said("RunTask")], [0, 1]),
    ],
)
def test_an_answer_that_only_repeats_another_is_left_out(exchanges, kept):
    assert without_repeated(exchanges) == [exchanges[index] for index in kept]


def stopped(code, **members):
    containers = [
        {"name": "sidecar", "exitCode": 9},
        {"name": "airflow", **({} if code is None else {"exitCode": code})},
    ]
    overrides = {"containerOverrides": [{"name": "airflow"}]}
    task = {
        "taskArn": ARN,
        "lastStatus": "STOPPED",
        "containers": containers,
        "overrides": overrides,
        **members,
    }
    return said("DescribeTasks", json.dumps({"tasks": [task]}))


@pytest.mark.parametrize(
    ("answers", "exit_codes"),
    [
        ([stopped(None, lastStatus="RUNNING"), stopped(137)], [137]),
        ([stopped(0)], [0]),
        ([stopped(None)], [None]),
        ([stopped(0, containers=[])], [None]),
        # The trial was over before the end was told.
        ([stopped(0, lastStatus="RUNNING")], []),
        ([said("DescribeTasks", "<html>"), said("DescribeTasks", "[]"), said("DescribeTasks", "", 503)], []),
    ],
)
def test_an_end_is_kept_with_the_answer_that_has_it(answers, exit_codes):
    seen = {"ecs_task": ARN, "state": "failed", "words": []}
    assert list(ends(answers, [seen])) == [{**seen, "exit_code": code} for code in exit_codes]


def test_a_long_trial_keeps_how_it_began_and_ended_and_each_kind():
    exchanges = [said(body=str(number)) for number in range(1000)]
    exchanges.insert(500, said("RunTask", status=400))
    kept = within_limits(exchanges)
    assert len(kept) <= MAX_EXCHANGES
    assert {kept[0]["body"], kept[-1]["body"]} == {"0", "999"}
    assert exchanges[500] in kept
    assert kept == [each for each in exchanges if each in kept]


def test_large_answers_are_kept_within_a_limit(monkeypatch):
    monkeypatch.setattr(recorder_module, "MAX_CHARACTERS", 25)
    exchanges = [said(body=letter * 10) for letter in "abcd"]
    assert [each["body"][0] for each in within_limits(exchanges)] == ["a", "d"]


def test_a_recording_is_one_again_from_its_parts():
    recording = {"exchanges": [os.urandom(MAX_PART).hex()]}
    parts = to_parts(recording)
    assert len(parts) > 1
    assert max(map(len, parts)) <= MAX_PART
    assert from_parts(parts) == recording

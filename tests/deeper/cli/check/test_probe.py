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
"""The probe as a container runs it: a process with a command, which prints a line and ends with an exit code."""

from __future__ import annotations

import ast
import json
import os
import platform
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from airflow.executors.fargate.cli.check import probe
from airflow.executors.fargate.cli.check.check_run import parse_line
from airflow.executors.fargate.cli.check.probe_command import probe_command
from airflow.executors.fargate.config.config import MAX_OVERRIDES
from airflow.version import version

#: An image's Airflow, as far as the probe looks at it, and its boto3.
IMAGE = {
    "airflow/__init__.py": "import os\n__version__ = os.environ['VERSION']\n",
    "airflow/configuration.py": """
import json, os

class conf:
    def get(section, name, fallback):
        return json.loads(os.environ["OPTIONS"]).get(section, {}).get(name, fallback)
""",
    "airflow/executors/__init__.py": "",
    "airflow/dag_processing/bundles/local.py": "",
    "airflow/providers/git/bundles/git.py": "",
    "airflow/providers/amazon/aws/log/s3_task_handler.py": "",
    "boto3.py": """
import os

class Refused(Exception):
    response = {"Error": {"Code": "AccessDenied", "Message": "secret"}}

class S3:
    def create_multipart_upload(self, Bucket, Key):
        print("begun", Bucket, Key, flush=True)
        if "REFUSE" in os.environ:
            raise Refused("secret")
        return {"UploadId": "upload-1"}

    def abort_multipart_upload(self, Bucket, Key, UploadId):
        if "KEEP" in os.environ:
            raise Refused("secret")
        print("aborted", Bucket, Key, UploadId)

def client(service):
    return S3()
""",
}
LOCAL = {"name": "dags", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {}}
GIT = {
    "name": "repo",
    "classpath": "airflow.providers.git.bundles.git.GitDagBundle",
    "kwargs": {"repo_url": "secret"},
}
OTHER = {"name": "other", "classpath": "airflow.providers.nobody.Bundle", "kwargs": {}}
REMOTE = {"remote_logging": "True", "remote_base_log_folder": "s3://bucket/logs/"}


@pytest.fixture
def image(tmp_path):
    """Return the folder of the image's Airflow; the folder of its Dags is beside it."""
    for name, source in IMAGE.items():
        path = tmp_path / "image" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "etl.py").touch()
    return tmp_path / "image"


@pytest.fixture
def look(image):
    """Return a function that runs the probe in the image with its options, and returns what it says."""

    def _look(options, there="3.4.0", scheduler="3.4.1", **env):
        core = {"dags_folder": str(image.parent / "dags"), **options.get("core", {})}
        settings = {"OPTIONS": json.dumps({**options, "core": core}), "VERSION": there}
        return run({"PYTHONPATH": str(image), **settings, **env}, "-S", scheduler=scheduler)

    return _look


def run(env, *flags, scheduler):
    """Return the findings, what is wrong by the exit code, and all that was printed."""
    _, *arguments = probe_command(scheduler)
    done = subprocess.run(
        [sys.executable, *flags, *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=60,
    )
    found = next(filter(None, map(parse_line, done.stdout.splitlines())), None)
    assert found is not None, done.stderr
    return found, done.returncode - probe.LOOKED, done.stdout + done.stderr


@pytest.fixture
def serve():
    """Return a function that starts an HTTP server which answers with a status; it returns the port."""
    servers = []

    def _serve(status):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                servers[0].path = self.path
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield _serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def closed():
    """Return a port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


def api(url):
    return {"core": {"execution_api_server_url": url}}


def test_all_is_well(look, serve):
    """The exit code says so, and it is not 0, with which any program may end."""
    server = serve(200)
    url = f"http://127.0.0.1:{server.server_port}/execution/"
    found, wrong, _ = look({**api(url), "dag_processor": {"dag_bundle_config_list": json.dumps([LOCAL])}})
    assert wrong == 0
    assert server.path == "/execution/health"
    assert (found["python"], found["machine"]) == (platform.python_version(), platform.machine())
    assert (found["airflow"], found["api"]["address"], found["api"]["status"]) == ("3.4.0", url, 200)
    assert 0 <= found["api"]["seconds"] < 30
    assert [(one["name"], one["files"]) for one in found["bundles"]] == [("dags", 1)]
    assert found["executor"] == {"there": False, "named": False}
    assert found["remote_log"] == {}


def test_a_user_in_the_address_of_the_api(look, serve):
    """Airflow's own client connects to the host and sends its token; the user is not printed either."""
    server = serve(200)
    found, wrong, printed = look(api(f"http://user:secret@127.0.0.1:{server.server_port}/execution/"))
    address = f"http://127.0.0.1:{server.server_port}/execution/"
    assert (found["api"]["address"], found["api"]["status"], wrong) == (address, 200, 0)
    assert "secret" not in printed


@pytest.mark.parametrize(
    ("url", "error", "wrong"),
    [
        ("http://no-such-host.invalid/execution/", "gaierror", probe.SERVER),
        ("http://127.0.0.1:{closed}/execution/", "ConnectionRefusedError", probe.SERVER),
        ("https://127.0.0.1:{port}/execution/", "SSLError", probe.SERVER),
        ("http://user:secret@127.0.0.1:{closed}x/execution/", "InvalidURL", probe.SERVER),
        ("no-scheme", "ValueError", probe.SERVER),
    ],
)
def test_the_api_is_not_reached(look, serve, closed, url, error, wrong):
    """The error says at which step; a secret in the address is not repeated."""
    port = serve(200).server_port
    found, by_code, printed = look(api(url.format(closed=closed, port=port)))
    assert (found["api"]["error"].partition(":")[0], by_code) == (error, wrong)
    assert "secret" not in printed


@pytest.mark.parametrize(
    "url",
    [
        "http://user.invalid:123/secret@127.0.0.1:{port}/execution/",
        "http://user.invalid:123?secret@127.0.0.1:{port}/execution/",
        "http://user.invalid:123#secret@127.0.0.1:{port}/execution/",
        "http://user:a@123.invalid/secret@127.0.0.1:{port}/execution/",
        "http://123.invalid/secret@127.0.0.1:{port}/execution/",
    ],
)
def test_a_login_that_ends_the_host_is_not_printed(look, serve, url):
    """Airflow's client takes its beginning for host and port, too, so nothing is reached."""
    found, wrong, printed = look(api(url.format(port=serve(200).server_port)))
    assert (found["api"]["address"], wrong) == (probe.HIDDEN, probe.SERVER)
    assert "secret" not in printed
    assert "123" not in printed


@pytest.mark.parametrize(("status", "wrong"), [(404, 0), (503, probe.SERVER)])
def test_any_answer_but_a_server_error_is_one(look, serve, status, wrong):
    """A load balancer without an API server behind it answers too."""
    url = f"http://127.0.0.1:{serve(status).server_port}/"
    found, by_code, _ = look(api(url))
    assert (found["api"]["status"], by_code) == (status, wrong)


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({"api": {"base_url": "http://127.0.0.1:{closed}/air"}}, "http://127.0.0.1:{closed}/air/execution/"),
        ({"api": {"base_url": "/air", "port": "{closed}"}}, "http://localhost:{closed}/air/execution/"),
        ({}, "http://localhost:8080/execution/"),
    ],
)
def test_the_address_is_the_one_that_a_task_would_use(look, closed, options, address):
    """As Airflow makes it where the option for it is not set."""
    told = json.loads(json.dumps(options).replace("{closed}", str(closed)))
    assert look(told)[0]["api"]["address"] == address.format(closed=closed)


@pytest.mark.parametrize(
    ("url", "address", "wrong"),
    [
        ("postgresql+psycopg2://user:secret@127.0.0.1:{port}/airflow", "127.0.0.1:{port}", 0),
        ("mysql://user:secret@no-such-host.invalid/airflow", "no-such-host.invalid:3306", probe.SERVER),
        ("postgresql:///airflow?host=127.0.0.1,other&port={port}&password=secret", "127.0.0.1:{port}", 0),
        ("postgresql:///airflow?host=/nowhere&password=secret", "/nowhere:5432", probe.SERVER),
        ("postgresql:///airflow?host=127.0.0.1&port={port}&user=me@x&password=secret", probe.HIDDEN, 0),
        ("sqlite:////tmp/airflow.db", "sqlite", probe.SERVER),
        ("postgresql://user:123/secret@127.0.0.1:{port}/airflow", "127.0.0.1:{port}", 0),
        ("postgresql://user:secret?more@127.0.0.1:{port}/airflow", "127.0.0.1:{port}", 0),
        ("postgresql://user:a@secret@127.0.0.1:{port}/airflow", None, probe.SERVER),
        ("postgresql://user:a@127.0.0.1:{port}/secret@host/airflow", probe.HIDDEN, 0),
        ("postgresql://127.0.0.1:{port}/airflow?password=secret", "127.0.0.1:{port}", 0),
        (None, None, probe.SERVER),
    ],
)
def test_the_database_of_2_11(look, serve, url, address, wrong):
    """The host that SQLAlchemy finds is connected to; nothing of the login is printed, also of a URL that cannot be read."""
    port = serve(200).server_port
    database = {"sql_alchemy_conn": url and url.format(port=port)}
    found, by_code, printed = look({"database": database}, there="2.11.0", scheduler="2.11.0")
    assert (found["database"].get("address"), by_code) == (address and address.format(port=port), wrong)
    assert "secret" not in printed
    assert "api" not in found


@pytest.mark.parametrize(
    ("bundle", "expected", "wrong"),
    [
        (LOCAL, {"files": 1}, 0),
        ({**LOCAL, "kwargs": {"path": "/nowhere"}}, {"files": None}, probe.DAGS),
        ({**LOCAL, "kwargs": {"path": "{empty}"}}, {"files": 0}, probe.DAGS),
        (GIT, {"error": "the program git is missing"}, probe.DAGS),
        (OTHER, {"error": "ModuleNotFoundError: No module named 'airflow.providers.nobody'"}, probe.DAGS),
    ],
)
def test_dag_bundles(look, serve, tmp_path, bundle, expected, wrong):
    """A local one has files, of another the class is there; its arguments are not printed."""
    (tmp_path / "empty").mkdir()
    bundles = json.dumps([bundle]).replace("{empty}", str(tmp_path / "empty"))
    url = f"http://127.0.0.1:{serve(200).server_port}/execution/"
    options = {**api(url), "dag_processor": {"dag_bundle_config_list": bundles}}
    found, by_code, printed = look(options, PATH=str(tmp_path))
    assert (expected.items() <= found["bundles"][0].items(), by_code) == (True, wrong)
    assert "secret" not in printed


def test_a_configuration_that_cannot_be_read(look, serve):
    """It is a finding of its own, and the others are there."""
    url = f"http://127.0.0.1:{serve(200).server_port}/execution/"
    found, by_code, _ = look({**api(url), "dag_processor": {"dag_bundle_config_list": "[{"}})
    assert (found["bundles"], by_code) == ({"error": "JSONDecodeError: "}, probe.DAGS)
    assert found["remote_log"] == {}


@pytest.mark.parametrize(
    ("logging", "env", "expected", "begun"),
    [
        (REMOTE, {}, {"address": "s3://bucket/logs/"}, True),
        (REMOTE, {"KEEP": "1"}, {"address": "s3://bucket/logs/", "left": "Refused: AccessDenied"}, True),
        (REMOTE, {"REFUSE": "1"}, {"address": "s3://bucket/logs/", "error": "Refused: AccessDenied"}, True),
        (
            {**REMOTE, "remote_log_conn_id": "mine"},
            {},
            {"address": "s3://bucket/logs/", "untested": True},
            False,
        ),
        (
            {**REMOTE, "remote_base_log_folder": "gs://bucket"},
            {},
            {"address": "gs://bucket", "untested": True},
            False,
        ),
        ({**REMOTE, "remote_logging": "False"}, {}, {}, False),
    ],
)
def test_the_remote_log(look, serve, logging, env, expected, begun):
    """Of S3 without a connection an upload is begun and aborted, so that nothing is left; others are not looked at."""
    url = f"http://127.0.0.1:{serve(200).server_port}/execution/"
    found, by_code, printed = look({**api(url), "logging": logging}, **env)
    assert found["remote_log"] == expected
    assert by_code == (probe.REMOTE_LOG if "error" in expected else 0)
    assert ("begun bucket logs/airflow-fargate-check" in printed) is begun
    assert ("aborted" in printed) is (begun and not env)
    assert "secret" not in printed


@pytest.mark.parametrize(
    ("there", "wrong"), [("3.4.0b2", 0), ("3.3.9", probe.VERSION), ("4.4.1", probe.VERSION)]
)
def test_another_version(look, serve, there, wrong):
    """The exit code tells of another minor version."""
    url = f"http://127.0.0.1:{serve(200).server_port}/execution/"
    assert look(api(url), there=there)[1] == wrong


def test_without_airflow():
    """Nothing else is looked at."""
    found, wrong, _ = run({}, "-S", scheduler="3.4.0")
    assert wrong == probe.AIRFLOW
    assert found["error"] == "ModuleNotFoundError: No module named 'airflow'"


def test_with_a_real_airflow(tmp_path, serve):
    """This release's own configuration has all that the probe asks for."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "etl.py").touch()
    server = serve(200)
    env = {"AIRFLOW_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    where = {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{server.server_port}/execution/"}
    where["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = (
        f"postgresql+psycopg2://u:secret@127.0.0.1:{server.server_port}/db"
    )
    found, wrong, printed = run({**env, **where}, scheduler=version)
    assert (found["airflow"], wrong) == (version, 0), found
    assert found["executor"]["there"] is True
    assert "secret" not in printed


def test_its_size_and_its_syntax():
    """It leaves a quarter of what AWS accepts to the request; Python 3.8 and newer read it, whichever Python writes it."""
    command = probe_command(version)
    assert len(json.dumps(command)) < MAX_OVERRIDES * 0.75
    tree = ast.parse(command[2], feature_version=(3, 8))
    values = [one for one in ast.walk(tree) if isinstance(one, ast.FormattedValue)]
    quoted = [one for value in values for one in ast.walk(value) if isinstance(one, ast.Constant)]
    assert [one.value for one in quoted if isinstance(one.value, str)] == []
    assert '"""' not in command[2]

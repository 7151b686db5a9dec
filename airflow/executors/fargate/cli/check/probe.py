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
What ``airflow fargate check --run`` runs in a container: it tells what a task would find there.

Its source is the container's command (``probe_command.py``), so it needs nothing but Python 3.8 and the
standard library, and it is short: AWS limits the size of overrides. There are no quotes within f-strings, since
Python 3.12 and newer write them in a way that older ones cannot read. The probe looks at the Airflow of the
image, with that one's configuration. It prints one line: :data:`MARKER`, and JSON.

No value of the configuration is printed that can contain a secret, and no text of an error that can repeat one.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import ssl
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Returns an option by section and name; None if it is not set.
    Get = Callable[[str, str], Any]

MARKER = "airflow-fargate-check: "
#: The exit code is LOOKED plus each of the others that applies. Python, shells and container runtimes use 1 and 2,
#: and 126 and higher; an entry point that ignores the command may end with 0.
LOOKED, AIRFLOW, VERSION, SERVER, DAGS, REMOTE_LOG = 64, 1, 2, 4, 8, 16
#: Seconds: Airflow's own client repeats a request for about as long.
TIMEOUT = 30
#: Files that are counted in a folder.
MAX_FILES = 1000
#: In the place of an address.
HIDDEN = "(not shown: a password may be in it)"
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def why(error: BaseException | str) -> str:
    """Return an error as text. Other texts than these can repeat a value of the configuration."""
    text = str(error)[:200] if isinstance(error, (ImportError, OSError)) else ""
    return f"{type(error).__name__}: {text}"


def without_user(url: str) -> str:
    """Return a URL without user and password, as Airflow's client finds them: before the first / or ?."""
    netloc = urlsplit(url).netloc
    return url.replace(netloc, netloc.split("@")[-1], 1)


def shown(url: str) -> str:
    """Return a URL without what may be secret, also in a password with / or ?."""
    rest = without_user(url)
    return HIDDEN if "@" in rest else rest.partition("?")[0]


def reach(address: str, connect: Callable[[], int | None]) -> dict[str, Any]:
    """Return the address, the seconds that a connection took, and the HTTP status or the error."""
    found: dict[str, Any] = {"address": address}
    begin = time.monotonic()
    try:
        found["status"] = connect()
    except HTTPError as error:
        found["status"] = error.code
    except Exception as error:
        found["error"] = why(error.reason if isinstance(error, URLError) else error)
    return {**found, "seconds": round(time.monotonic() - begin, 3)}


def trust(get: Get) -> ssl.SSLContext:
    """Return the settings of TLS as Airflow's own client has them."""
    context = ssl.create_default_context()
    public = import_module("certifi").where() if find_spec("certifi") else None
    for file in filter(None, (public, get("api", "ssl_ca_file"), get("api", "ssl_cert"))):
        context.load_verify_locations(file)
    if get("api", "client_ssl_cert"):
        context.load_cert_chain(get("api", "client_ssl_cert"), get("api", "client_ssl_key"))
    return context


def look_at_api(get: Get) -> dict[str, Any]:
    """Ask the execution API, at the address that a task would use."""
    url = get("core", "execution_api_server_url")
    if url is None:
        base = get("api", "base_url") or "/"
        port = get("api", "port") or 8080
        base = f"http://localhost:{port}{base}" if base[0] == "/" else base
        url = base.rstrip("/") + "/execution/"

    def connect() -> int | None:
        context = trust(get) if url[:6] == "https:" else None
        # urlopen takes a user for a part of the host's name; Airflow's client sends its token in place of the user.
        with urlopen(without_user(url).rstrip("/") + "/health", None, TIMEOUT, context=context) as answer:
            return int(answer.status)

    return reach(shown(url), connect)


def look_at_database(get: Get) -> dict[str, Any]:
    """Connect to the host of the metadata database, or to the first one that PostgreSQL's arguments name."""
    # As in SQLAlchemy, a password ends at the first @, and may contain / and ?.
    text = re.sub("://[^/:]*(:[^@]*)?@", "://", get("database", "sql_alchemy_conn"))
    url = urlsplit(text)
    if "@" in url.netloc:
        raise ValueError
    options = dict(parse_qsl(url.query))
    host: Any = options.get("host", url.hostname or "").split(",")[0]
    port: Any = options.get("port") or url.port or PORTS.get(url.scheme.split("+")[0])

    def connect() -> None:
        if host[0] == "/":  # A folder with a socket.
            socket.socket(socket.AF_UNIX).connect(f"{host}/.s.PGSQL.{port}")
        else:
            socket.create_connection((host, port), TIMEOUT).close()

    return reach(HIDDEN if "@" in text else f"{host}:{port}" if host else url.scheme, connect)


def files_in(path: str) -> int | None:
    """Return how many files a folder has that can have Dags; None if it is not a folder."""
    count = 0
    for _, _, names in os.walk(path):
        count += sum(name.endswith((".py", ".zip")) for name in names)
        if count >= MAX_FILES:
            break
    return count if os.path.isdir(path) else None


def look_at_bundles(get: Get) -> list[dict[str, Any]]:
    """Return each Dag bundle: of a local one the files, of another what it lacks."""
    text = get("dag_processor", "dag_bundle_config_list")
    found: list[dict[str, Any]] = []
    # Airflow 2 has one folder.
    for one in json.loads(text or '[{"name": "dags_folder", "classpath": "os.LocalDagBundle"}]'):
        module, _, name = one["classpath"].rpartition(".")
        bundle = {"name": one["name"], "class": name}
        try:
            import_module(module)
        except Exception as error:
            bundle["error"] = why(error)
        if name == "LocalDagBundle":
            bundle["path"] = one.get("kwargs", {}).get("path") or get("core", "dags_folder")
            bundle["files"] = files_in(bundle["path"])
        if name == "GitDagBundle" and not shutil.which("git"):
            bundle["error"] = "the program git is missing"
        found.append(bundle)
    return found


def look_at_remote_log(get: Get) -> dict[str, Any]:
    """
    Tell whether the task role may write remote logs to S3; other remote logs are not looked at.

    An upload is begun and aborted. Unlike an object that is put and deleted, it leaves nothing behind, and whoever
    begins an upload may abort it unless a policy denies it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    """
    if str(get("logging", "remote_logging")).lower() not in ("true", "t", "1"):
        return {}
    folder = get("logging", "remote_base_log_folder")
    found: dict[str, Any] = {"address": shown(folder)}
    url = urlsplit(folder)
    if url.scheme != "s3" or get("logging", "remote_log_conn_id"):
        return {**found, "untested": True}
    key = url.path.strip("/") + "/airflow-fargate-check"
    upload = {"Bucket": url.netloc, "Key": key.lstrip("/")}
    try:
        import_module("airflow.providers.amazon.aws.log.s3_task_handler")
        s3 = import_module("boto3").client("s3")
        upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
        s3.abort_multipart_upload(**upload)
    except Exception as error:
        found["left" if "UploadId" in upload else "error"] = why(error) + str(
            getattr(error, "response", {}).get("Error", {}).get("Code", "")
        )
    return found


def look_at_executor(get: Get) -> dict[str, Any]:
    """Tell whether the image has the executor, and whether its own configuration names it."""
    named = (
        get("core", "executor"),
        get("logging", "logging_config_class"),
        get("logging", "remote_base_log_folder"),
    )
    return {"there": bool(find_spec("airflow.executors.fargate")), "named": "fargate" in str(named).lower()}


def look_around(expected: str) -> tuple[dict[str, Any], int]:
    """
    Return everything that was found, and the sum of what is wrong.

    :param expected: the scheduler's version of Airflow.
    """
    found: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    try:
        found["airflow"] = version = import_module("airflow").__version__
        conf = import_module("airflow.configuration").conf
    except Exception as error:
        return {**found, "error": why(error)}, AIRFLOW
    get = lambda section, name: conf.get(section, name, fallback=None)
    wrong = VERSION * (version.split(".")[:2] != expected.split(".")[:2])
    server = ("database", look_at_database) if version[:2] == "2." else ("api", look_at_api)
    parts = (
        ("executor", look_at_executor, 0),
        (*server, SERVER),
        ("bundles", look_at_bundles, DAGS),
        ("remote_log", look_at_remote_log, REMOTE_LOG),
    )
    for name, look, number in parts:
        try:
            found[name] = seen = look(get)
        except Exception as error:
            # The configuration cannot be read.
            found[name] = seen = {"error": why(error)}
        wrong += number * any(
            "error" in one or not one.get("files", 1) or (one.get("status") or 0) >= 500
            for one in (seen if isinstance(seen, list) else [seen])
        )
    return found, wrong


if __name__ == "__main__":
    findings, wrong = look_around(sys.argv[1])
    print(MARKER + json.dumps(findings), flush=True)
    sys.exit(LOOKED + wrong)

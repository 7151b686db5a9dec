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
"""How this folder gets into containers, whose image has Airflow alone: as text in an environment variable."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from pathlib import Path

FOLDER = Path(__file__).parent
#: The folder in which Python looks for modules, here and in the container.
ROOT = FOLDER.parents[2]
#: The environment variable of the packed folder.
PAYLOAD = "VERIFY_PAYLOAD"
#: The name of the bundle with the Dags of the trials, the same for the Dag processor and for the tasks.
BUNDLE = "verify"

# Each is a program for ``python -c``. A container has one process; what is unpacked goes with it.
_UNPACK = f"""\
import base64, io, json, os, shutil, sys, tarfile, tempfile
folder = tempfile.mkdtemp(prefix="verify-")
packed = io.BytesIO(base64.b64decode(os.environ.pop("{PAYLOAD}")))
with tarfile.open(fileobj=packed) as files:
    files.extractall(folder, filter="data")
"""
_START = """\
os.environ["PYTHONPATH"] = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
os.execv(sys.executable, [sys.executable, "-m", "tools.aws.inside"])
"""
# The image's own entry point is replaced by this one. Its init, if it is there, makes an exit code of a signal: a first
# process of a container ignores signals that it does not handle.
_RUN_TASK = f"""\
local = "airflow.dag_processing.bundles.local.LocalDagBundle"
bundle = {{"name": "{BUNDLE}", "classpath": local, "kwargs": {{"path": folder + "/tools/aws/inside/dags"}}}}
os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = json.dumps([bundle])
command = ["dumb-init", "--"] * bool(shutil.which("dumb-init")) + sys.argv[1:]
os.execvp(command[0], command)
"""

#: The command of the container with the scheduler. Its environment must have what ``task_environment`` returns.
START = ["python", "-c", _UNPACK + _START]
#: The entry point of the tasks' containers, whose command remains the executor's.
TASK_ENTRY_POINT = ["python", "-c", _UNPACK + _RUN_TASK]


def pack() -> str:
    """Return the files of this folder, packed; the same text for the same files."""
    packed = io.BytesIO()
    # The time is left out of the header.
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as files:
            for path in sorted(FOLDER.rglob("*.py")):
                content = path.read_bytes()
                entry = tarfile.TarInfo(path.relative_to(ROOT).as_posix())
                entry.size = len(content)
                files.addfile(entry, io.BytesIO(content))
    return base64.b64encode(packed.getvalue()).decode()


def task_environment(payload: str) -> dict[str, str]:
    """Return what the containers of tasks, and the one of the scheduler, need besides in their environment."""
    return {PAYLOAD: payload}

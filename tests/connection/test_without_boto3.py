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
"""Our tests in an Airflow without the amazon provider, as a checkout of Airflow may have it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "executors"
MODULES = sorted(TESTS.rglob("test_*.py"))


def test_without_boto3_each_module_is_skipped_and_says_so(tmp_path):
    """What cannot run is neither an error nor passed over in silence."""
    (tmp_path / "without_boto3.py").write_text(
        "import sys\n\nsys.modules.update(boto3=None, botocore=None)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "without_boto3",
        "-p",
        "no:cacheprovider",
        "-rs",
        str(TESTS),
    ]
    process = subprocess.run(
        command,
        cwd=TESTS.parents[1],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = " ".join(process.stdout.split())
    assert re.search(rf"= {len(MODULES)} skipped in ", told), process.stdout + process.stderr
    assert "boto3 is missing, which comes with the amazon provider" in told

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
"""Runs rows of the fault matrix with a copy of the executor's package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tools.harness.environment import REPOSITORY

from tests.fault_matrix.package import VARIABLE

#: pytest's own codes: all passed; some failed.
_PASSED, _FAILED = 0, 1


class TrialError(Exception):
    """The tests neither passed nor failed; the message has what they wrote."""


@dataclass(frozen=True)
class Trial:
    """Whether any row failed, and what the tests wrote."""

    red: bool
    output: str


def run(rows: Iterable[str], executors: Path) -> Trial:
    """
    Run rows with the package of this folder.

    :raises TrialError: they could not be run
    """
    tests = [f"tests/fault_matrix/test_rows.py::test_row[{row}]" for row in dict.fromkeys(rows)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *tests],
        cwd=REPOSITORY,
        env=os.environ | {VARIABLE: str(executors), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # An error in the machinery shows as a traceback of something else than the row's own assertion.
    if (
        done.returncode not in (_PASSED, _FAILED)
        or done.returncode == _FAILED
        and " differences" not in done.stdout
    ):
        raise TrialError(f"{done.stdout}\n{done.stderr}"[-4000:])
    return Trial(done.returncode == _FAILED, done.stdout)

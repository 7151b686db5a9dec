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
"""How ``scripts/aws``' commands come into the environment that has boto3. Needs the standard library alone."""

from __future__ import annotations

import os
import sys

from tools.aws.options import parse
from tools.harness.environment import IMPORT_PATH, InstallError, locked_environment
from tools.harness.releases import NEWEST, RELEASES


def hand_over(command: str, description: str | None) -> str:
    """
    Install what a command needs and hand over to it there; return only to tell why that failed.

    A mistake in the command line, and ``--help``, end the program before.
    """
    parse(command, sys.argv[1:], description)
    try:
        python = locked_environment("aws", RELEASES[NEWEST]) / "bin" / "python"
    except InstallError as error:
        return str(error)
    os.execve(python, [python, "-m", "tools.aws", command, *sys.argv[1:]], os.environ | IMPORT_PATH)

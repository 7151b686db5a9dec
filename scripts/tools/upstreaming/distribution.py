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
"""The source distribution of Airflow's core, for a release whose repository is not at hand."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tools.harness.environment import VENVS
from tools.upstreaming.clone import WHO, ask

PACKAGE = "apache-airflow-core"


def fetch(version: str, room: Path) -> Path:
    """Fetch it from the package registry into a folder, and return it as a git repository of one commit."""
    pip = (VENVS / "tools/bin/python", "-m", "pip", "download", "--quiet", "--no-deps")
    ask(*pip, f"--no-binary={PACKAGE}", f"--dest={room}", f"{PACKAGE}=={version}")
    [archive] = room.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(room, filter="data")
    root = room / archive.name.removesuffix(".tar.gz")
    ask("git", "init", "--quiet", root)
    ask("git", "-C", root, "add", "--all", "--force")
    ask("git", "-C", root, *WHO, "commit", "--quiet", f"--message={PACKAGE} {version}")
    return root

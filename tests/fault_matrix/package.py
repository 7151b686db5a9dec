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
"""Lets the executor's package come from another folder, such as a copy from which a guard was taken out."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Sequence
from typing import Any

#: The environment variable that names the folder in which ``fargate/`` and ``fargate_executor.py`` lie.
VARIABLE = "FARGATE_EXECUTOR_PACKAGE"
_NAMES = ("airflow.executors.fargate", "airflow.executors.fargate_executor")


class _Elsewhere:
    """Finds the package's two top-level names in one folder; what lies below them is found there, too."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        return importlib.machinery.PathFinder.find_spec(name, [self._folder]) if name in _NAMES else None


def take_from_elsewhere() -> None:
    """Let imports of the executor lead to the folder that the environment names, if it names one."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    too_late = [name for name in _NAMES if name in sys.modules]
    if too_late:
        raise RuntimeError(f"{', '.join(too_late)} was imported before")
    sys.meta_path.insert(0, _Elsewhere(folder))

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
What older lines of Airflow's releases do otherwise than the newest: a file for each line.

Each file has a ``Base``, which gives that line's ``BaseExecutor`` the interface of the next newer line's, and a
``Contract``; both derive from those of the next newer line. Support for a line ends with its file.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from airflow.version import version


def module_for_this_airflow() -> Any:
    """Return the module of the line that the installed Airflow is of; None for the newest, and newer ones."""
    installed = [int(number) for number in version.split(".")[:2]]
    names = (name for _, name, _ in pkgutil.iter_modules(__path__))
    lines = sorted(([int(number) for number in name.split("_")[1:]], name) for name in names)
    name = next((name for line, name in lines if installed <= line), None)
    return name and importlib.import_module(f"{__name__}.{name}")

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
"""The doubles of the executor's own unit tests, for tests that stay here."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FAKES = Path(__file__).resolve().parents[2] / "tests" / "executors" / "fargate" / "fakes.py"


def load() -> ModuleType:
    """Return the module of doubles; by its path, since it lies in no package that could be imported."""
    name = "fargate_doubles"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FAKES)
        if spec is None or spec.loader is None:
            raise ImportError(f"{FAKES} cannot be loaded")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]

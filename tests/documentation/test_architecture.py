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
"""The page on the architecture: who reads it first finds every module of the package there."""

from __future__ import annotations

import re

import pytest
from harness.environment import REPOSITORY

PACKAGE = REPOSITORY / "airflow/executors/fargate"
MODULES = sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")


@pytest.mark.parametrize("module", MODULES)
def test_each_module_is_named(module):
    """In the list of modules, with what it does."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listed = text.partition("### The executor")[2].partition("```\n")[2].partition("```")[0]
    *folder, name = module.split("/")
    part = listed.partition("    cli/ ")[2 if folder else 0]
    assert re.search(rf"(?m)^ +(?:\w+\.py, )*{re.escape(name)}[ ,]", part)

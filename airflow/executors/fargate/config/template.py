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
"""The section ``[fargate]`` of ``config_templates/fargate.yml``: names, defaults and help of the options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

#: In the schema of Airflow's config.yml.
CONFIG_TEMPLATE = Path(__file__).parents[3] / "config_templates" / "fargate.yml"
SECTION = "fargate"
#: Each process of Airflow's reads the file; the loader in Python takes thirty times as long.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def section() -> dict[str, Any]:
    """Return the section, ``description`` and ``options``; each call returns a new dict."""
    sections: dict[str, dict[str, Any]] = yaml.load(CONFIG_TEMPLATE.read_bytes(), LOADER)
    return sections[SECTION]


@lru_cache(maxsize=1)
def template() -> Mapping[str, Mapping[str, Any]]:
    """Return the options by name, each with ``description``, ``default`` and so on."""
    options: Mapping[str, Mapping[str, Any]] = section()["options"]
    return options

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
"""How many examples hypothesis tries: a bounded number, always the same ones, in CI; many new ones with ``--long``."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that is busy with other tests may be slow: that is no failure of the executor.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile(
    "ci", max_examples=300, stateful_step_count=40, derandomize=True, database=None, **COMMON
)
settings.register_profile("long", max_examples=10_000, stateful_step_count=80, print_blob=True, **COMMON)


def pytest_configure(config):
    # Before the tests are collected, which take the profile's numbers as they are decorated.
    settings.load_profile("long" if config.getoption("--long", default=False) else "ci")

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
"""Another chance for a test that goes by the clock: a machine may stand still for a moment, but not each time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

CHANCES = 4


def another_chance(test: Callable[..., None]) -> Callable[..., None]:
    """Let a test pass if it passes once; the last failure is told. It must begin anew by itself."""

    @functools.wraps(test)
    def with_chances(*args: Any, **kwargs: Any) -> None:
        for _ in range(CHANCES - 1):
            try:
                return test(*args, **kwargs)
            except (Exception, pytest.fail.Exception):
                continue
        return test(*args, **kwargs)

    return with_chances

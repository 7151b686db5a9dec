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
"""A user's function for ``[fargate] execution_config_function``, which does not return until it may."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

#: Set where it may return.
may_return = threading.Event()


def hanging() -> Callable[[list[str]], dict[str, Any]]:
    """Return the function that waits, and makes the request that the executor's own would have made then."""
    from airflow.executors.fargate_executor import default_task_id_to_fargate_options_function

    make = default_task_id_to_fargate_options_function()

    def wait_and_make(command: list[str]) -> dict[str, Any]:
        may_return.wait()
        return make(command)

    return wait_and_make

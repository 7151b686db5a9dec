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
Multiplies every time with the same factor: the executor's own and those of the local Fargate's settings.

The one place that knows which numbers of the executor are times. What it reads of them once, as it starts, it reads
from these constants, so nothing in the executor is there for tests.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

#: Module and constants that are seconds: one number, or several.
SECONDS = {
    "fargate.fleet.throttle": ("CREDENTIALS_BACK_OFF",),
    "fargate.fleet.attempts": ("RESEND_BACK_OFF", "ATTEMPT_BACK_OFF", "AWAY_PATIENCE", "REVOCATION"),
    "fargate.fleet.capacity_queue": ("PROBE_BACK_OFF",),
    "fargate.fleet.preparer": ("FUNCTION_PATIENCE",),
    "fargate.fleet.waits": ("NOTE_PATIENCE", "AGAIN", "START_PATIENCE", "PAUSE"),
    "fargate.fleet.watcher": ("APPEARANCE", "DISAPPEARANCE", "MISSING_BACK_OFF", "REFUSED_PAUSE"),
    "fargate.fleet.unknown_outcomes": ("SEARCH_DELAYS",),
    "fargate.fleet.ecs_task_search": ("SEARCH_BACK_OFF",),
    "fargate.fleet.adoption": ("CONSISTENCY",),
    "fargate.fleet.launch_state": ("MIN_TOKEN_LIFE",),
    "fargate.aws.clients": ("CONNECT_TIMEOUT", "READ_TIMEOUT"),
}
#: Constants that are something a second, or a second cubed, with that power.
RATES = {"fargate.fleet.throttle": {"SLOWEST_RATE": 1, "GROWTH": 3}, "fargate.fleet.calls": {"STOP_RATE": 1}}
#: Options of ``[fargate]``: seconds as Airflow has them by default, and calls a second.
POLL_INTERVAL = 2.0
LAUNCH_RATE = 20.0
DESCRIBE_RATE = 10.0

#: The members of the local Fargate's settings that are seconds.
_SETTINGS = frozenset(
    {"provisioning_time", "stopping_time", "stopped_retention", "missing_for", "after", "warning", "duration"}
)


def options(scale: float) -> dict[str, str]:
    """Return the options of ``[fargate]`` that are times."""
    return {
        "poll_interval": str(POLL_INTERVAL * scale),
        "launch_rate": str(LAUNCH_RATE / scale),
        "describe_rate": str(DESCRIBE_RATE / scale),
    }


def settings(given: Any, scale: float) -> Any:
    """Return the local Fargate's settings with every time in them multiplied."""
    if isinstance(given, Mapping):
        return {
            name: _multiplied(value, scale)
            if name in _SETTINGS
            else {call: _multiplied(time, scale) for call, time in value.items()}
            if name == "latency"
            else settings(value, scale)
            for name, value in given.items()
        }
    return [settings(item, scale) for item in given] if isinstance(given, list) else given


@contextlib.contextmanager
def executor_times(scale: float) -> Iterator[None]:
    """Multiply the executor's own times, wherever a module of it has them, until the end of the block."""
    changed = []
    try:
        for module, name, value in _constants(scale):
            changed.append((module, name, getattr(module, name)))
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in changed:
            setattr(module, name, value)


def _constants(scale: float) -> list[tuple[Any, str, Any]]:
    """Return each module, constant and multiplied value; a constant is also where another module imported it."""
    modules = _modules()
    values = {}
    for module, names in SECONDS.items():
        values |= {name: _multiplied(getattr(modules[module], name), scale) for name in names}
    for module, powers in RATES.items():
        values |= {name: getattr(modules[module], name) / scale**power for name, power in powers.items()}
    return [(m, name, value) for m in modules.values() for name, value in values.items() if hasattr(m, name)]


def _modules() -> dict[str, Any]:
    package = importlib.import_module("airflow.executors.fargate")
    found = [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    # Other lines' modules may not load on this one, and have no durations.
    names = [name for name in found if ".cli." not in name and ".older." not in name]
    names.append("airflow.executors.fargate_executor")
    return {name.removeprefix("airflow.executors."): importlib.import_module(name) for name in names}


def _multiplied(value: Any, scale: float) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(item * scale for item in value)
    return value * scale

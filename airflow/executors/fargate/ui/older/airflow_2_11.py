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
"""Airflow 2.11: the handler that writes a task's log also reads it."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

#: The handler of ``airflow.task`` in Airflow's configuration.
HANDLER = "task"


def with_own_handler(config: dict[str, Any]) -> dict[str, Any]:
    """Return a logging configuration whose tasks' handler reads CloudWatch, too; it writes what it wrote before."""
    handlers = config["handlers"]
    own = {"()": f"{__name__}.make_handler", "handler_class": handlers[HANDLER]["class"], **handlers[HANDLER]}
    del own["class"]
    return {**config, "handlers": {**handlers, HANDLER: own}}


def make_handler(handler_class: str, **arguments: Any) -> Any:
    """Return a handler of a class that derives from the named one."""
    return _derived(handler_class)(**arguments)


@cache
def _derived(handler_class: str) -> Any:
    from airflow.utils.module_loading import import_string

    base: Any = import_string(handler_class)

    def read_remote_logs(
        self: Any, ti: Any, try_number: int, metadata: Any = None
    ) -> tuple[list[str], list[str]]:
        """Return the lines of a try, and the executor's notes, with what the configured handler reads."""
        from airflow.executors.fargate.bridge import try_log

        inner = _Inner(partial(base._read_remote_logs, self), try_number, metadata)
        path = self._render_filename(ti, try_number)
        sources, streams = try_log.read(inner, path, ti, try_number)
        return sources, ["\n".join(stream) for stream in streams]

    return type("FargateTaskHandler", (base,), {"_read_remote_logs": read_remote_logs})


class _Inner:
    """A handler's remote log, as Airflow 3 has it."""

    def __init__(self, read: Any, try_number: int, metadata: Any) -> None:
        self._read, self._try_number, self._metadata = read, try_number, metadata

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        """Return its sources and its logs; none for a handler without a remote log."""
        try:
            found: tuple[list[str], list[str]] = self._read(ti, self._try_number, self._metadata)
        except NotImplementedError:
            return [], []
        return found

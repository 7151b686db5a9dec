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
"""Puts the log of a try together: CloudWatch's lines, the executor's notes, another remote log, files on this disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from glob import escape, iglob
from typing import Any

from airflow.configuration import conf
from airflow.executors.fargate.bridge import tries
from airflow.utils.state import State

log = logging.getLogger(__name__)


def read(
    inner: Any, relative_path: str, ti: Any, try_number: Any
) -> tuple[list[str], list[Generator[str, None, None]]]:
    """
    Return the sources and the streams of lines of a try's log.

    :param inner: another remote log, or None.
    :param relative_path: of its file below Airflow's folder of logs.
    :param ti: see :func:`tries.try_of`; None where there is none, as for a callback.
    """
    try:
        return _read(inner, relative_path, ti, try_number)
    except Exception as error:
        # Airflow asks for the logs of other executors' tasks, too: their pages must not fail.
        log.exception("The log %s cannot be read", relative_path)
        return [f"FargateExecutor cannot read the log: {type(error).__name__}"], []


def _read(inner: Any, relative_path: str, ti: Any, try_number: Any) -> tuple[list[str], list[Any]]:
    sources, streams = _inner_streams(inner, relative_path, ti)
    if ti is None:
        return sources, streams
    of, logs = tries.try_of(ti, try_number), tries.logs_of_dag(ti.dag_id)
    if not of.notes and not of.ecs_tasks:
        return sources, streams  # Another executor's, or not launched yet.
    has_inner = bool(streams)
    # A container that was killed has uploaded nothing, while earlier ones of its try may have.
    may_lack = of.has_failed and len(of.ecs_tasks) > 1
    is_whole = has_inner and of.has_ended and not may_lack
    # In these states, Airflow reads files as well, whatever a remote log has.
    has_files = ti.state in State.unfinished

    def elsewhere() -> Iterator[str]:
        # Once more, as Airflow itself reads the streams above.
        for stream in _inner_streams(inner, relative_path, ti)[1] if streams else ():
            yield from stream
        for path in _files(relative_path) if has_files else ():
            yield from _lines_of(path)

    own = logs.read(of, () if is_whole else elsewhere(), only_notes=is_whole)
    sources, streams = [*sources, *own.sources], [*streams, own.lines]
    if not (has_files or has_inner):
        # Airflow reads no file if there is a remote log, and the triggerer's lines would be missing.
        for path in _files(relative_path, ".trigger." if own.has_lines else ""):
            sources.append(path)
            streams.append(_lines_of(path))
    tries.mark_as_served(ti)
    return sources, streams


def _inner_streams(inner: Any, relative_path: str, ti: Any) -> tuple[list[str], list[Any]]:
    """Return what another remote log has; if it fails, the source says why."""
    if inner is None:
        return [], []
    try:
        sources, logs = getattr(inner, "stream", inner.read)(relative_path, ti)
    except Exception as error:
        return [f"{type(inner).__name__} cannot be read: {type(error).__name__}: {error}"], []
    return list(sources or ()), [_lines_in(one) if isinstance(one, str) else one for one in logs or ()]


def _lines_in(text: str) -> Generator[str, None, None]:
    yield from text.split("\n")


def _files(relative_path: str, kind: str = "") -> list[str]:
    """Return the files of a try on this disk: all, or those of one kind. A link that leads elsewhere is left out."""
    folder = os.path.realpath(conf.get("logging", "base_log_folder"))
    paths = sorted(iglob(f"{escape(os.path.join(folder, relative_path))}{kind}*"))
    return [path for path in paths if os.path.realpath(path).startswith(f"{folder}{os.sep}")]


def _lines_of(path: str) -> Generator[str, None, None]:
    """Yield the lines of a file; none if it cannot be read."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        yield from (line.rstrip("\n") for line in file)

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
Airflow's remote log of tasks that run on Fargate: it reads what the awslogs driver has delivered to CloudWatch.

Containers load this module, too, so nothing is imported here, and no call made, before a log is read.
"""

from __future__ import annotations

from typing import Any


class FargateRemoteLogIO:
    """
    A ``RemoteLogIO`` with streams.

    :param inner: another one, such as that of S3. It uploads what it did before. Its lines are read first, and those
        in CloudWatch only where it has none.
    """

    def __init__(self, inner: Any = None) -> None:
        self.inner = inner

    @classmethod
    def from_config(cls) -> FargateRemoteLogIO:
        """
        Return the one that ``[logging] remote_base_log_folder = fargate://`` names.

        From 3.3 on Airflow asks providers for a scheme. Up to 3.4 it does not start, though, with one that its own
        logging module does not know.
        """
        return cls()

    @property
    def processors(self) -> tuple[Any, ...]:
        """What takes part in writing a line."""
        return tuple(getattr(self.inner, "processors", ()))

    def upload(self, path: Any, ti: Any = None) -> None:
        """Do nothing: the lines are in CloudWatch already."""
        if self.inner is not None:
            self.inner.upload(path, ti)

    def stream(self, relative_path: str, ti: Any) -> tuple[list[str], list[Any]]:
        """
        Return the sources and the streams of lines of a try's log.

        :param relative_path: of its file below Airflow's folder of logs.
        :param ti: the row of the task instance or of its history; None where there is none, as for a callback.
        """
        from airflow.executors.fargate.bridge import try_log

        return try_log.read(self.inner, relative_path, ti, None if ti is None else ti.try_number)

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[Any]]:
        """Return the same for Airflows that do not know :meth:`stream`: to 3.1, whose later releases take streams."""
        from airflow.utils.log import file_task_handler

        sources, streams = self.stream(relative_path, ti)
        if hasattr(file_task_handler, "_is_logs_stream_like"):
            return sources, streams
        return sources, ["\n".join(stream) for stream in streams]

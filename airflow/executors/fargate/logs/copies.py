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
Keeps what was read of logs in temporary files, so that a page that is polled does not read it again.

The lines are there as they are shown, with secrets masked. A file has no name, so it ends with the process. A try has
one file, however many ECS tasks it has had.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.logs.lines import Record

if TYPE_CHECKING:
    from airflow.executors.fargate.logs.cloudwatch import Stream

#: How many tries are kept, and how many bytes of them and of one of them.
MAX_TRIES = 100
MAX_BYTES = 1 << 30
MAX_TRY_BYTES = 256 << 20
#: How many lines are in memory at once while a copy is read.
PART = 500


@dataclass(eq=False)
class StreamCopy:
    """What was read of the log stream of one ECS task. The thread that has its try's lock writes it."""

    #: Where it is in CloudWatch; None as long as that is not known.
    source: Stream | None = None
    #: What is to be known about the source: that it is a guess.
    remark: str = ""
    #: The token of the page that follows, and when it was given, milliseconds since the epoch.
    token: str | None = None
    token_at: float = 0
    #: Offsets and lengths of its lines in the file, :data:`PART` lines at most each.
    parts: list[tuple[int, int]] = field(default_factory=list)
    #: The place of its last line.
    place: int = 0
    #: Whether it has been read to its end once; what follows is later than all that was there.
    caught_up: bool = False
    #: Whether nothing follows any more.
    is_final: bool = False
    #: Why it could not be read; empty if it was.
    problem: str = ""
    #: Whether that is because CloudWatch has no such log stream: nothing was written, or it was removed.
    is_missing: bool = False

    def restart(self) -> None:
        """Have it read from its head again."""
        self.token, self.parts, self.place, self.caught_up = None, [], 0, False


class TryCopy:
    """The copies of a try's log streams, by the ARNs of its ECS tasks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.streams: dict[str, StreamCopy] = {}
        self.size = 0

    @cached_property
    def _file(self) -> Any:
        # Opened for the first line, as an error is a problem of that line's stream.
        return tempfile.TemporaryFile(prefix="airflow-fargate-log-", buffering=0)

    @property
    def is_full(self) -> bool:
        """Whether it has :data:`MAX_TRY_BYTES`: what follows is not read."""
        return self.size >= MAX_TRY_BYTES

    def stream(self, arn: str) -> StreamCopy:
        """Return the copy of an ECS task's log stream."""
        return self.streams.setdefault(arn, StreamCopy())

    def append(self, stream: StreamCopy, records: Sequence[Record]) -> None:
        """
        Write records. Their places never decrease in a stream.

        :raises OSError: if the disk is full. None of them is in the copy then, as their page is read again.
        """
        rest, parts = iter(records), []
        while part := list(islice(rest, PART)):
            lines = []
            for at, place, text in part:
                stream.place = max(stream.place, place)
                lines.append(f"{at} {stream.place} {text}\n")
            content = "".join(lines).encode("utf-8", "replace")
            offset = self.size
            while content:
                content = content[self._write(content) :]
            parts.append((offset, self.size - offset))
        stream.parts.extend(parts)

    def _write(self, content: bytes) -> int:
        written = os.pwrite(self._file.fileno(), content, self.size)
        self.size += written
        return written

    def records(self, parts: Sequence[tuple[int, int]]) -> Iterator[Record]:
        """Yield the records of a stream's parts, with one part in memory."""
        for offset, length in parts:
            content = b""
            while len(content) < length:
                content += os.pread(self._file.fileno(), length - len(content), offset + len(content))
            for line in content.decode("utf-8").split("\n")[:-1]:
                at, place, text = line.split(" ", 2)
                yield Record(int(at), int(place), text)


class Copies:
    """The copies of the tries whose logs were asked for last. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_try: OrderedDict[Hashable, TryCopy] = OrderedDict()

    def of(self, key: Hashable) -> TryCopy:
        """Return the copy of a try. Others are dropped if there are too many, or if they are too large."""
        with self._lock:
            copy = self._by_try.pop(key, None) or TryCopy()
            self._by_try[key] = copy
            while len(self._by_try) > 1 and (
                len(self._by_try) > MAX_TRIES or sum(one.size for one in self._by_try.values()) > MAX_BYTES
            ):
                # Who still reads it keeps the file open.
                self._by_try.popitem(last=False)
            return copy

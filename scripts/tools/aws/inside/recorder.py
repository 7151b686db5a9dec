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
Records AWS's answers of ECS and of logs, as they came over HTTP, without what is secret or somebody's own.

Each process that records appends its answers to one file, a line each: the process of the trials, and the
scheduler's, which a ``sitecustomize`` on its PYTHONPATH makes record. The trials' process takes from the file::

    recorder = Recorder(folder, "AWS, us-east-1")
    recorder.install()
    subprocess.Popen(["airflow", "scheduler"], env=env | recorder.environment())
    ...
    recording = recorder.take("killed", [{"ecs_task": arn, "state": "failed", "words": ["137"]}])
    for text in to_parts(recording):
        ...

``tests/aws/test_recordings.py`` replays a recording; ``tests/aws/recordings/README.md`` says what is in one.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.aws.inside.replacements import Addresses, clean_body, without_secrets

#: The most exchanges of a recording, and the most characters of their bodies: a person reads it, and Git keeps it.
MAX_EXCHANGES = 200
MAX_CHARACTERS = 1_000_000
#: The most characters of a part: an event of CloudWatch Logs has 256 KiB, and the protocol's line has more in it.
MAX_PART = 100_000
#: What the header X-Amz-Target begins with, by service.
TARGETS = {"AmazonEC2ContainerServiceV20141113": "ecs", "Logs_20140328": "logs"}
HEADERS = ("content-type", "x-amzn-errortype")


class Recorder:
    """
    Records to a file, and takes recordings from it.

    :param folder: an empty one of this user's alone
    :param source: who answers, such as ``AWS, us-east-1``
    """

    def __init__(self, folder: Path, source: str) -> None:
        self._folder = folder
        self._source = source
        self._file = folder / "exchanges.jsonl"
        self._read = 0

    def install(self) -> None:
        """Record the answers that this process gets from now on."""
        record_to(self._file)

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which a process that runs Python records its answers, too."""
        site = self._folder / "site"
        site.mkdir(exist_ok=True)
        # Python imports it as it starts, and only writes a line to standard error where that fails.
        text = f"from {__name__} import record_to\n\nrecord_to({str(self._file)!r})\n"
        (site / "sitecustomize.py").write_text(text)
        root = Path(__file__).resolve().parents[__name__.count(".")]
        present = filter(None, [os.environ.get("PYTHONPATH")])
        return {"PYTHONPATH": os.pathsep.join([str(site), str(root), *present])}

    def take(self, trial: str, seen: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """
        Return the recording of what came since the last one was taken.

        :param seen: how ECS tasks ended by Airflow: ``ecs_task`` (its ARN), ``state`` (of the task instance),
            ``words`` (what the executor's reason of a failure has: an exit code, a word of AWS's). The recording
            has those whose end it has, with the ``exit_code`` of the main container.
        """
        lines, lost = self._new_lines(), 0
        exchanges = []
        for line in lines:
            try:
                exchanges.append(json.loads(line)["exchange"])
            except (ValueError, KeyError, TypeError):
                lost += 1
        distinct = without_repeated(exchanges)
        kept = within_limits(distinct)
        recording = {
            "source": self._source,
            "trial": trial,
            "lost": lost,
            "left_out": len(distinct) - len(kept),
            "seen": list(ends(kept, without_secrets(list(seen)))),
            "exchanges": kept,
        }
        return Addresses().replaced(recording)

    def _new_lines(self) -> list[bytes]:
        """Return the lines that are whole and were not returned before."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._read += len(whole + newline)
        return whole.splitlines()


def to_parts(recording: Mapping[str, Any]) -> list[str]:
    """Return the texts, each of at most :data:`MAX_PART` characters, that together are the recording."""
    packed = base64.b64encode(gzip.compress(json.dumps(recording).encode())).decode()
    return [packed[start : start + MAX_PART] for start in range(0, len(packed), MAX_PART)]


def from_parts(parts: Iterable[str]) -> dict[str, Any]:
    """Return the recording that was made into these parts."""
    return json.loads(gzip.decompress(base64.b64decode("".join(parts))))


# What runs in the process that calls AWS.


def record_to(file: str | Path) -> None:
    """Append each answer that botocore gets in this process to a file, from now on; to the last one that was named."""
    from botocore.httpsession import URLLib3Session

    send = getattr(URLLib3Session.send, "unrecorded", URLLib3Session.send)

    @functools.wraps(send)
    def recorded(self: Any, request: Any) -> Any:
        # botocore's own reads the answer to its end, and raises where it does not come.
        response = send(self, request)
        _append(file, request, response)
        return response

    recorded.unrecorded = send
    URLLib3Session.send = recorded


def _append(file: str | Path, request: Any, response: Any) -> None:
    """Append a line for an answer; one that cannot be recorded is a line, too, and harms no call."""
    try:
        exchange = to_exchange(request, response)
        line = None if exchange is None else {"exchange": exchange}
    except Exception as error:
        line = {"lost": type(error).__name__}
    if line is not None:
        try:
            _write(file, json.dumps(line).encode() + b"\n")
        except Exception:  # The disk is full. The call goes on.
            return


def _write(file: str | Path, line: bytes) -> None:
    # One write() in the mode of appending: several processes write whole lines, one after another.
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def to_exchange(request: Any, response: Any) -> dict[str, Any] | None:
    """Return what is kept of a call, without secrets; None for one of another service."""
    target = request.headers.get("X-Amz-Target", "")
    prefix, _, operation = (target.decode() if isinstance(target, bytes) else target).partition(".")
    if prefix not in TARGETS or request.stream_output:
        return None
    headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
    return {
        "at": round(time.time(), 3),
        "service": TARGETS[prefix],
        "operation": operation,
        "request": without_secrets(json.loads(request.body or "{}")),
        "status": response.status_code,
        "headers": headers,
        "body": clean_body(response.content.decode(errors="replace")),
    }


# What is kept.


def ends(
    exchanges: Iterable[Mapping[str, Any]], seen: Iterable[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield those ECS tasks of which AWS said that they have stopped, with the exit code that it said then."""
    answers = [each for each in exchanges if each["operation"] == "DescribeTasks" and each["status"] == 200]
    tasks = [task for answer in answers for task in _tasks(answer["body"])]
    stopped = {task["taskArn"]: task for task in tasks if task.get("lastStatus") == "STOPPED"}
    for end in seen:
        if end["ecs_task"] in stopped:
            yield {**end, "exit_code": _exit_code(stopped[end["ecs_task"]])}


def _tasks(body: str) -> list[dict[str, Any]]:
    try:
        return [task for task in json.loads(body)["tasks"] if "taskArn" in task]
    except (ValueError, KeyError, TypeError):  # The test of the recording says so.
        return []


def _exit_code(task: Mapping[str, Any]) -> int | None:
    """Return the exit code of the container that has an override, which is the main one."""
    overridden = {each["name"] for each in task.get("overrides", {}).get("containerOverrides", ())}
    main = (each for each in task.get("containers", ()) if each["name"] in overridden)
    return next(main, {}).get("exitCode")


def without_repeated(exchanges: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out an answer that only repeats, but for its times, what the same question was answered before."""
    last: dict[str, str] = {}
    distinct = []
    for exchange in exchanges:
        asked = json.dumps([exchange["service"], exchange["operation"], exchange["request"]])
        # Times are the only numbers of AWS's with a fraction.
        said = f"{exchange['status']} {re.sub(r'[0-9]+[.][0-9]+(E[0-9]+)?', '', exchange['body'])}"
        # The second answer to a RunTask says what a clientToken is good for.
        is_question = exchange["operation"].startswith(("Describe", "List", "Get"))
        if last.get(asked) != said or not is_question:
            distinct.append(exchange)
        last[asked] = said
    return distinct


def within_limits(exchanges: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """
    Return at most :data:`MAX_EXCHANGES`, with :data:`MAX_CHARACTERS`, in their order.

    Each kind of answer has the same share, and keeps its first and its last ones: how ECS tasks began and ended.
    """
    kinds: dict[tuple[Any, ...], list[int]] = {}
    for index, exchange in enumerate(exchanges):
        kind = (
            exchange["service"],
            exchange["operation"],
            exchange["status"],
            exchange["headers"].get("x-amzn-errortype"),
        )
        kinds.setdefault(kind, []).append(index)
    kept = {index for indices in kinds.values() for index in _share(exchanges, indices, len(kinds))}
    return [exchange for index, exchange in enumerate(exchanges) if index in kept]


def _share(exchanges: Sequence[Mapping[str, Any]], indices: list[int], kinds: int) -> Iterator[int]:
    """Yield, from both ends, those for which a kind's share of the limits is enough."""
    characters = MAX_CHARACTERS // kinds
    for _ in range(min(len(indices), max(1, MAX_EXCHANGES // kinds))):
        index = indices.pop(0 if len(indices) % 2 else -1)
        characters -= len(exchanges[index]["body"])
        if characters < 0:
            return
        yield index

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
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from airflow.executors.fargate import notes
from airflow.executors.fargate.bridge import tries, try_log
from airflow.executors.fargate.logs.lines import JsonForm, TextForm
from airflow.executors.fargate.logs.tries import Note, Try
from airflow.executors.fargate.ui.remote_log import FargateRemoteLogIO
from airflow.utils.log import file_task_handler

from tests.executors.fargate.test_live import ARN, BEGIN, GROUP, LAUNCHED, STREAM, Cloud, at_once, cloud

PATH = "dag_id=dag/attempt=1.log"
ENDED = {"has_ended": True, "ended_at": BEGIN - 1_000_000}


class Row(SimpleNamespace):
    """The row of a task instance."""


class Inner:
    """Another remote log."""

    processors = ("a processor",)

    def __init__(self, *lines, error=None):
        self.lines, self.error, self.uploaded = lines, error, []

    def upload(self, path, ti=None):
        self.uploaded.append((path, ti))

    def read(self, relative_path, ti):
        if self.error:
            raise self.error
        return ["the bucket"], ["\n".join(self.lines)] if self.lines else []


@pytest.fixture
def page(cloud, monkeypatch, tmp_path):
    """Return a function that reads the log of a try, and returns the sources and all lines."""
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    monkeypatch.setattr(tries, "logs_of_dag", lambda dag_id: cloud.logs)

    def read(inner=None, state="success", notes=(LAUNCHED,), **members):
        of = Try("try", notes, None, **members)
        monkeypatch.setattr(tries, "try_of", lambda ti, try_number: of)
        ti = Row(dag_id="dag", state=state, try_number=1)
        sources, streams = FargateRemoteLogIO(inner).stream(PATH, ti)
        assert all(is_stream(one) for one in streams)
        assert tries.was_served(ti) is bool(notes)
        return sources, [line for stream in streams for line in stream]

    is_stream = getattr(file_task_handler, "_is_logs_stream_like", lambda stream: True)
    return read


def write(folder, name, *lines):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_of_another_executor(page):
    """It has no notes, and Airflow reads what it read before."""
    assert page(notes=()) == ([], [])
    assert page(Inner("its line"), notes=()) == (["the bucket"], ["its line"])


def test_no_task_instance():
    """A callback's log is another remote log's alone."""
    assert FargateRemoteLogIO().stream(PATH, None) == ([], [])
    assert FargateRemoteLogIO(Inner()).stream(PATH, None) == (["the bucket"], [])


def test_another_remote_log_has_the_lines(cloud, page):
    """Once the try has ended. The notes are added, and CloudWatch is not asked."""
    cloud.cloud.write(GROUP, STREAM, "a line")
    sources, lines = page(Inner("a line of the bucket"), **ENDED)
    assert sources[0] == "the bucket"
    assert lines[0] == "a line of the bucket"
    assert "Launched" in lines[1]
    assert len(lines) == 2
    assert cloud.cloud.calls == []


@pytest.mark.parametrize("has_failed", [True, False])
def test_last_container_of_several_was_killed(cloud, page, has_failed):
    """It has uploaded nothing; the one before the deferral has. No line is shown twice, nor a file's that is uploaded."""
    second = Note(BEGIN + 9000, notes.LAUNCH, LAUNCHED.text.replace(ARN, f"{ARN}9"))
    cloud.cloud.write(GROUP, STREAM, "[2024-01-01T00:00:00.000+00:00] first")
    cloud.cloud.write(GROUP, f"{STREAM}9", "[2024-01-01T00:00:01.000+00:00] last")
    inner = Inner("[2024-01-01T00:00:00.000+00:00] first")
    _, lines = page(inner, "failed", (LAUNCHED, second), has_failed=has_failed, **ENDED)
    said = [line.split()[-1] for line in lines]
    assert (said.count("first"), said.count("last")) == (1, int(has_failed))


@pytest.mark.parametrize("inner", [Inner(), Inner(error=OSError("no bucket"))])
def test_another_remote_log_has_none(cloud, page, inner):
    """CloudWatch's lines are shown."""
    cloud.cloud.write(GROUP, STREAM, "a line")
    sources, lines = page(inner, **ENDED)
    assert [line.split()[-1] for line in lines[1:]] == ["line"]
    assert sources[0] == ("Inner cannot be read: OSError: no bucket" if inner.error else "the bucket")


def test_lines_of_a_deferred_try_in_another_remote_log(cloud, page):
    """They are not shown twice while it goes on."""
    cloud.cloud.write(
        GROUP, STREAM, "[2024-01-01T00:00:00.000+00:00] first", "[2024-01-01T00:00:01.000+00:00] second"
    )
    _, lines = page(Inner("[2024-01-01T00:00:00.000+00:00] first"), "running", is_polled=True)
    assert sorted(line.split()[-1] for line in lines if "Launched" not in line) == ["first", "second"]


def test_shared_disk(cloud, page, tmp_path):
    """Airflow reads the files of a try that goes on, so their lines are left out."""
    cloud.logs.fetcher.form = JsonForm()
    first = {"timestamp": "2024-01-01T00:00:00.000001Z", "level": "info", "event": "first"}
    cloud.cloud.write(
        GROUP, STREAM, json.dumps(first), "not of the task", json.dumps({**first, "event": "last"})
    )
    write(tmp_path, PATH, json.dumps({**first, "logger": "task"}))
    _, lines = page(state="running", is_polled=True)
    assert [json.loads(line)["event"] for line in lines if "Launched" not in line] == [
        "not of the task",
        "last",
    ]
    _, lines = page(**ENDED)
    assert sorted(json.loads(line)["event"] for line in lines)[1:] == ["first", "last", "not of the task"]


def test_printed_lines_on_a_shared_disk(cloud, page, tmp_path):
    """Airflow stamps them twice. Each line of the file hides one, so that what is said twice is shown twice."""
    cloud.logs.fetcher.form = JsonForm()
    said = {"level": "info", "event": "again"}
    times = "2024-01-01T00:00:00.999800Z", "2024-01-01T00:00:01.050000Z", "2024-01-01T00:00:02.000000Z"
    write(tmp_path, PATH, *(json.dumps({"timestamp": time, **said}) for time in times))
    later = "2024-01-01T00:00:01.000100Z", "2024-01-01T00:00:01.050300Z", "2024-01-01T00:00:09.000000Z"
    cloud.cloud.write(GROUP, STREAM, *(json.dumps({"timestamp": time, **said}) for time in later))
    _, lines = page(state="running", is_polled=True)
    assert ["again" in line for line in lines] == [False, True]


def test_line_that_comes_while_the_log_is_read(cloud, page, tmp_path):
    """It is in the file before it is in CloudWatch, and Airflow reads the file last."""
    cloud.cloud.write(GROUP, STREAM, "[2024-01-01T00:00:00.000+00:00] a line")
    get = cloud.cloud.get_log_events

    def slow(**arguments):
        write(tmp_path, PATH, "[2024-01-01T00:00:00.000+00:00] a line")
        return get(**arguments)

    cloud.cloud.get_log_events = slow
    (line,) = page(state="running", is_polled=True)[1]
    assert "Launched" in line


def test_triggerer_s_lines(cloud, page, tmp_path):
    """Airflow reads no file of an ended try that has a remote log, and those lines are nowhere else."""
    cloud.cloud.write(GROUP, STREAM, "a line")
    write(tmp_path, PATH, "of the worker")
    write(tmp_path, f"{PATH}.trigger.7.log", "of the trigger")
    sources, lines = page(**ENDED)
    assert [line.split()[-1] for line in lines] == [lines[0].split()[-1], "line", "trigger"]
    assert sources[-1].endswith(".trigger.7.log")
    assert "of the trigger" not in page(state="deferred", is_polled=True)[1]


def test_files_of_a_try_that_is_retried(cloud, page, tmp_path):
    """The try has ended, but its state is none of those in which Airflow reads no file."""
    cloud.log = None
    write(tmp_path, PATH, "of the worker")
    assert "of the worker" not in page(state="up_for_retry", **ENDED)[1]


def test_files_of_a_log_that_cannot_be_read(cloud, page, tmp_path):
    """Another driver than awslogs and a shared disk: the task's own lines are on the disk."""
    cloud.log = {"logDriver": "awsfirelens"}
    write(tmp_path, PATH, "of the worker")
    lines = page(**ENDED)[1]
    assert "awsfirelens" in lines[1]
    assert lines[-1] == "of the worker"


def test_file_outside_of_the_folder(cloud, page, tmp_path):
    """A link that leads out of it is not followed."""
    cloud.log = None
    write(tmp_path.parent, "secret", "secret")
    write(tmp_path, PATH, "of the worker")
    (tmp_path / f"{PATH}.link").symlink_to(tmp_path.parent / "secret")
    assert "secret" not in page(**ENDED)[1]


def test_a_bug_is_a_source(page, monkeypatch):
    """It does not break the pages of other executors' tasks, whose files Airflow reads then."""
    monkeypatch.setattr(tries, "logs_of_dag", None)
    ti = Row(dag_id="dag", state="success", try_number=1)
    assert FargateRemoteLogIO().stream(PATH, ti) == (
        ["FargateExecutor cannot read the log: AttributeError"],
        [],
    )


def test_reading_whole(cloud, page, monkeypatch):
    """Airflow 3.0 takes no streams."""
    monkeypatch.delattr(file_task_handler, "_is_logs_stream_like", raising=False)
    monkeypatch.setattr(
        FargateRemoteLogIO, "stream", lambda self, path, ti: (["x"], [iter(["a", "b"]), iter(["c"])])
    )
    assert FargateRemoteLogIO().read(PATH, None) == (["x"], ["a\nb", "c"])


def test_writing_is_the_other_one_s():
    """Without one, nothing is written."""
    inner = Inner()
    FargateRemoteLogIO(inner).upload("path", "ti")
    assert inner.uploaded == [("path", "ti")]
    assert FargateRemoteLogIO(inner).processors == ("a processor",)
    assert FargateRemoteLogIO.from_config().upload("path", "ti") is None
    assert FargateRemoteLogIO().processors == ()

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
"""More on what ``test_live.py`` tests."""

from __future__ import annotations

import errno
import json
import threading
import tracemalloc

import pytest
from botocore.exceptions import NoCredentialsError

from airflow.executors.fargate import notes
from airflow.executors.fargate.logs import copies, fetching, live
from airflow.executors.fargate.logs.elsewhere import Elsewhere
from airflow.executors.fargate.logs.lines import JsonForm, Record, TextForm
from airflow.executors.fargate.logs.live import MAX_LINKS, PATIENCE
from airflow.executors.fargate.logs.tries import LATE, Note, Try

from tests.executors.fargate.test_live import (
    ARN,
    BEGIN,
    GROUP,
    LAUNCHED,
    OPTIONS,
    STREAM,
    Cloud,
    at_once,
    cloud,
    refused,
    texts,
)


def launched(number):
    """Return the note on one of several ECS tasks of a try, and its log stream."""
    arn = f"{ARN[:-8]}{number:08}"
    text = f"Launched {notes.ecs_task_text(arn, '', 'airflow:3', 'main')}"
    return Note(BEGIN + number * 1000, notes.LAUNCH, text), f"{STREAM[:-8]}{number:08}"


def test_secret_of_several_lines(cloud):
    """It is masked as a whole. An event with several lines is shown as one line."""
    cloud.mask = lambda text: text.replace("first\nsecond", "***")
    cloud.cloud.write(GROUP, STREAM, "key first\nsecond", "a\nb")
    assert texts(cloud.read()[1])[1:] == ["key ***", "a b"]


def test_no_secret_is_on_the_disk(cloud):
    """What is kept is what is shown."""
    cloud.cloud.write(GROUP, STREAM, "password hunter2")
    cloud.read()
    (copy,) = cloud.logs._copies._by_try.values()
    copy._file.seek(0)
    assert b"password ***" in copy._file.read()


@pytest.mark.parametrize(
    "line",
    ['{"a":' * 100_000, '{"event": "x", "timestamp": "no"}', '{"event": "x", "timestamp": 1}', "{", "[1]"],
)
def test_json_that_is_no_line_of_airflow_s(fakes, clock, line):
    """It is shown as it is, and so are the lines after it."""
    cloud = Cloud(fakes, clock, JsonForm())
    cloud.cloud.write(GROUP, STREAM, line, "after")
    assert [json.loads(text)["event"] for text in cloud.read()[1][1:]] == [line, "after"]


def test_a_problem_is_no_line(fakes, clock):
    """As long as Airflow counts lines, what comes later has the place that it would have had."""
    cloud = Cloud(fakes, clock, JsonForm())
    before = cloud.read()[1]
    cloud.cloud.write(GROUP, STREAM, "line")
    after = cloud.read()[1]
    assert "there is no log stream" in json.loads(before[0]).pop("problem")
    assert "problem" not in after[0]
    assert [json.loads(line)["event"] for line in after][1:] == ["line"]
    assert len(before) == 1


@pytest.mark.parametrize(
    ("where", "error", "renewed"),
    [
        ("DescribeTasks", lambda f: f.aws_error("ExpiredTokenException"), 1),
        ("GetLogEvents", lambda f: f.aws_error("ExpiredTokenException"), 1),
        ("GetLogEvents", lambda f: NoCredentialsError(), 1),
        ("DescribeTasks", lambda f: f.aws_error("ThrottlingException", "Rate exceeded"), 0),
        ("GetLogEvents", lambda f: f.aws_error("ResourceNotFoundException"), 0),
        ("GetLogEvents", lambda f: f.aws_error("AccessDeniedException"), 0),
        ("DescribeTasks", lambda f: ConnectionResetError(), 0),
    ],
    ids=["expired", "expired for logs", "none", "throttled", "no such log", "no permission", "reset"],
)
def test_new_clients_after_refused_credentials(cloud, where, error, renewed):
    """Expired credentials are not kept. After any other error, the clients are."""
    asked = {"arn": ARN, "is_polled": True}
    if where == "DescribeTasks":
        cloud.error = error(cloud.fakes)
    else:
        cloud.cloud.errors.append(error(cloud.fakes))
    no_ecs_task = Note(BEGIN, notes.LAUNCH, "Waiting.")
    cloud.read(no_ecs_task, **asked)
    cloud.read(no_ecs_task, **asked)
    assert cloud.made.count("ecs" if where == "DescribeTasks" else "logs") == 1 + renewed


def test_a_bug_is_shown_by_its_type(cloud):
    """The page does not fail."""
    cloud.cloud.write(GROUP, STREAM, "line")
    cloud.mask = None
    assert "TypeError in the executor" in cloud.ended()[1]


def test_full_disk(cloud, monkeypatch):
    """The page says so. When there is space again, each line is there once."""
    monkeypatch.setattr(copies, "PART", 4)
    cloud.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(15)))
    answers = iter([None, OSError(errno.ENOSPC, "No space left on device")])
    write = copies.TryCopy._write

    def full(self, content):
        if error := next(answers, None):
            raise error
        return write(self, content)

    monkeypatch.setattr(copies.TryCopy, "_write", full)
    sources, lines = cloud.read()
    assert "cannot be kept in a temporary file ([Errno 28] No space left on device)" in sources[-1]
    assert len(lines) == 1
    assert texts(cloud.read()[1])[1:] == [f"line {number}" for number in range(15)]


def test_no_folder_for_temporary_files(cloud, monkeypatch):
    """The page of a try that needs none is as always, and the other one says why."""
    monkeypatch.setattr(copies.tempfile, "tempdir", "/does/not/exist")
    assert len(cloud.read()[1]) == 1
    cloud.cloud.write(GROUP, STREAM, "line")
    assert "/does/not/exist" in cloud.read()[0][-1]


def test_reading_that_ends_while_the_page_is_made(cloud):
    """What it brings meanwhile comes later, and nothing that follows it comes before."""
    first, second = launched(1), launched(9)
    cloud.cloud.write(GROUP, second[1], "of the second", at=BEGIN + 10_000)
    of = Try("try", (first[0], second[0]), None, is_polled=True)
    stream = cloud.logs._copies.of("try").stream(of.ecs_tasks[0].noted.arn)

    class Parts(list):
        def __getitem__(self, key):
            stream.caught_up = True
            return super().__getitem__(key)

    cloud.logs.fetcher.fetch = lambda *_: None
    stream.parts, stream.problem = Parts(), "slow"
    reading = live._Reading(cloud.logs, of, cloud.logs._copies.of("try"), False)
    assert not reading._part(of.ecs_tasks[0], False).caught_up


@pytest.mark.parametrize(
    ("members", "expected"), [({"has_ended": True}, None), ({"is_polled": True}, PATIENCE)]
)
def test_how_long_a_page_waits(cloud, monkeypatch, members, expected):
    """An ended log is not asked for again, so it is read whole."""
    waited = []
    monkeypatch.setattr(live, "_within", lambda patience, function: waited.append(patience) or function())
    cloud.read(**members)
    assert waited == [expected]


def test_launch_is_shown_before_its_lines(cloud):
    """A container can be quicker than the note: its lines wait until the note has its place."""
    cloud.cloud.write(GROUP, STREAM, "quick", at=BEGIN + 1000)
    launch = LAUNCHED._replace(at=BEGIN)
    cloud.at = BEGIN + 4999
    assert cloud.read(launch)[1] == []
    cloud.at = BEGIN + 9000
    assert ["quick" in line for line in cloud.read(launch)[1]] == [False, True]


def test_note_of_the_last_moment(cloud):
    """The page of a try that has just ended asks for the last time."""
    reason = Note(cloud.at - 500, notes.FAILURE, "the reason")
    lines = cloud.read(LAUNCHED, reason, has_ended=True, ended_at=cloud.at - 1000, has_failed=True)[1]
    assert "the reason" in "".join(lines)


def test_last_lines_in_a_note_come_first(cloud):
    """They are not shown while the lines may still come."""
    last = Note(BEGIN, notes.LINES, "the last lines")
    assert "the last lines" not in "".join(cloud.read(LAUNCHED, last)[1])


def test_event_of_several_lines_that_is_json(fakes, clock):
    """It is one line of the copy, as of the page."""
    cloud = Cloud(fakes, clock, JsonForm())
    cloud.cloud.write(GROUP, STREAM, '{"event":\n "pretty",\n "timestamp": "2023-11-14T22:13:20Z"}', "next")
    assert [json.loads(line)["event"] for line in cloud.read()[1]][1:] == ["pretty", "next"]


def test_places_never_decrease(cloud):
    """Not even if the clock of AWS is set back; and a copy that is read anew is not known to be whole."""
    copy, stream = copies.TryCopy(), copies.StreamCopy(caught_up=True)
    copy.append(stream, [Record(1, 5, "a"), Record(2, 3, "b")])
    copy.append(stream, [Record(3, 4, "c")])
    assert [one.place for one in copy.records(stream.parts)] == [5, 5, 5]
    stream.restart()
    assert (stream.parts, stream.place, stream.caught_up) == ([], 0, False)


def test_a_line_elsewhere_hides_one_line():
    """A line that was said twice at once, and is there once, is shown once more."""
    form = TextForm()
    said = form.line(0, 0, "[2023-11-14T22:13:20.000+00:00] again")
    hidden = Elsewhere(form, [said.text])
    assert [hidden.hides(said), hidden.hides(said)] == [True, False]


def test_an_earlier_end_explains_nothing():
    """A try that was rescheduled and then failed, without a note on that, is one of which AWS is asked."""
    first, second = launched(1)[0], launched(9)[0]
    ran = Note(first.at + 1, notes.LAUNCH, "Ran for 3 s")
    assert Try("try", (first, ran, second), None, has_failed=True).is_unexplained
    assert not Try("try", (first, second, ran), None, has_failed=True).is_unexplained


def test_adoption_that_knows_less():
    """What the launch's note has of its ECS task stays."""
    adopted = Note(BEGIN, notes.ADOPTION, notes.launched_text(0, notes.ecs_task_text(ARN)))
    (one,) = Try("try", (LAUNCHED, adopted), None).ecs_tasks
    assert one.noted == (ARN, "airflow:3", "main")
    assert one.at == LAUNCHED.at


@pytest.mark.parametrize("form", [JsonForm(), TextForm()])
@pytest.mark.parametrize(
    "time",
    ["2024-99-99T00:00:00.000+00:00", "9999-12-31T23:59:59.000-14:00", "0001-01-01T00:00:00.000+14:00"],
)
def test_line_with_a_time_that_is_none(fakes, clock, form, time):
    """It is shown at the time of CloudWatch, and the lines after it as always."""
    cloud = Cloud(fakes, clock, form)
    line = json.dumps({"event": "odd", "timestamp": time}) if isinstance(form, JsonForm) else f"[{time}] odd"
    cloud.cloud.write(GROUP, STREAM, line, "next")
    assert ["odd" in line for line in cloud.read()[1]] == [False, True, False]


def test_lone_surrogate():
    """Airflow fails to answer with one. JSON may have it as an escape."""
    form = JsonForm()
    record = form.line(BEGIN, BEGIN, r'{"event": "a \ud800 b"}')
    assert "a ? b" in record.text
    later = form.retimed(
        form.line(0, 0, r'{"event": "\udfff", "timestamp": "2023-11-14T22:13:20Z"}'), BEGIN + 5000
    )
    assert later.text.encode()


def test_lines_before_an_error(cloud):
    """They are shown, and the reason why there are no more, until there are."""
    cloud.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(25)))
    cloud.cloud.errors.extend([None, cloud.fakes.aws_error("ThrottlingException")])
    sources, lines = cloud.read()
    assert len(lines) == 1 + 10
    assert "cannot be shown further: logs:GetLogEvents failed" in sources[-1]
    assert texts(cloud.read()[1])[1:] == [f"line {number}" for number in range(25)]


def test_nothing_after_a_stream_that_was_not_read_to_its_end(cloud):
    """What it has would come before. An ended try has no later look, so all that is known is shown."""
    first, second = launched(1), launched(9)
    cloud.cloud.write(GROUP, first[1], *(f"line {number}" for number in range(15)), at=BEGIN + 2000)
    cloud.cloud.write(GROUP, second[1], "of the second", at=BEGIN + 10_000)
    throttled = cloud.fakes.aws_error("ThrottlingException")
    cloud.cloud.errors.extend([None, throttled])
    assert "of the second" not in "".join(cloud.read(first[0], second[0])[1])
    cloud.logs._copies = copies.Copies()
    cloud.cloud.errors.extend([None, throttled])
    lines = texts(cloud.ended(first[0], second[0]))
    assert lines[-1] == "of the second"
    assert "cannot be shown further" in lines[11]


def test_last_lines_in_a_note(cloud):
    """They are shown where CloudWatch's are not."""
    last = Note(BEGIN, notes.LINES, "Last lines of container main: x")
    assert "Last lines" in "".join(cloud.ended(LAUNCHED, last))
    cloud.cloud.write(GROUP, STREAM, "x")
    cloud.logs._copies = copies.Copies()
    assert "Last lines" not in "".join(cloud.ended(LAUNCHED, last))


@pytest.mark.parametrize(("after", "place"), [(-60, 1), (5, 2)])
def test_note_that_was_written_late(cloud, after, place):
    """In a log that has ended it stands where that happened of which it tells, and not before the launch."""
    cloud.cloud.write(GROUP, STREAM, "one", at=BEGIN + 1000)
    cloud.cloud.write(GROUP, STREAM, "two", at=BEGIN + 9000)
    started = Note(
        BEGIN + 20_000, notes.LAUNCH, notes.with_moment("Started after 5 s", BEGIN // 1000 + after)
    )
    assert "Started after 5 s" in cloud.ended(LAUNCHED, started)[place]


def test_late_lines(cloud):
    """They are shown where they come; that they were written before is said."""
    cloud.cloud.write(GROUP, STREAM, "one", "two", at=BEGIN, lag=20_000)
    note = Note(BEGIN + 10_000, notes.LAUNCH, "a note")
    lines = cloud.read(LAUNCHED, note)[1]
    assert texts(lines) == [
        texts(lines)[0],
        "{fargate} INFO - a note",
        "(written 2023-11-14T22:13:20.000+00:00) one",
        "(written 2023-11-14T22:13:20.001+00:00) two",
    ]
    assert all(line.startswith("[2023-11-14T22:13:30.000+00:00] ") for line in lines[1:])


def test_calls_of_a_poll(cloud):
    """Only streams that may grow are read, once they have been read to their ends."""
    first, second = launched(1), launched(9)
    for _, stream in (first, second):
        cloud.cloud.write(GROUP, stream, "line")
    cloud.at = BEGIN + 9000 + LATE + 1
    for calls in ([first[1], first[1], second[1], second[1]], [second[1]], [second[1]]):
        cloud.cloud.calls.clear()
        cloud.read(first[0], second[0])
        assert [call["logStreamName"] for call in cloud.cloud.calls] == calls
    for calls in ([second[1]], []):  # The last one may have had lines after the last look.
        cloud.cloud.calls.clear()
        cloud.ended(first[0], second[0])
        assert [call["logStreamName"] for call in cloud.cloud.calls] == calls


def test_old_token(cloud):
    """AWS takes it for a day; then the log is read again."""
    cloud.cloud.write(GROUP, STREAM, "line")
    cloud.read()
    cloud.at += fetching.TOKEN_LIFE + 1
    cloud.cloud.calls.clear()
    assert texts(cloud.read()[1])[1:] == ["line"]
    assert "nextToken" not in cloud.cloud.calls[0]


def test_links_of_many_ecs_tasks(cloud):
    """A sensor that reschedules has one for each look. The notes have all links."""
    sources, lines = cloud.read(*(launched(number)[0] for number in range(30)))
    assert sum(source.startswith("ECS task ") for source in sources) == MAX_LINKS
    assert sum("cannot be shown" in source for source in sources) == MAX_LINKS
    assert sum("Launched" in line for line in lines) == 30
    assert f"ECS task {STREAM[-32:-8]}00000029: https://" in "".join(sources)


def test_too_long_a_log(cloud, monkeypatch):
    """Its beginning is shown, and where the rest is."""
    monkeypatch.setattr(copies, "MAX_TRY_BYTES", 2000)
    cloud.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(1000)))
    lines = cloud.ended()
    assert 20 < len(lines) < 100
    assert "open it in CloudWatch" in lines[-1]
    cloud.cloud.calls.clear()
    cloud.ended()
    assert len(cloud.cloud.calls) <= 1
    assert cloud.ended() == lines


def test_copies_are_limited(cloud, monkeypatch):
    """An API server runs for long. What was dropped is read again."""
    monkeypatch.setattr(copies, "MAX_BYTES", 3000)
    cloud.cloud.write(GROUP, STREAM, *(f"line {number}" for number in range(20)))
    kept = cloud.logs._copies
    for number in range(2 * copies.MAX_TRIES):
        found = cloud.logs.read(Try(number, (LAUNCHED,), None, is_polled=True))
        assert len([*found.lines]) == 21
    assert 1 < len(kept._by_try) < 10
    assert 2 * copies.MAX_TRIES - 1 in kept._by_try  # The last one.
    for number in range(2 * copies.MAX_TRIES):
        cloud.logs.read(Try(number, (), None, is_polled=True))
    assert len(kept._by_try) == copies.MAX_TRIES


def test_memory_of_a_long_log(fakes, clock):
    """Neither the lines of a log nor its pages are in memory at the same time."""
    cloud = Cloud(fakes, clock, JsonForm())
    cloud.cloud = fakes.FakeLogs(page_size=1000)
    cloud.cloud.write(GROUP, STREAM, *(f"line {number} {'x' * 500}" for number in range(20_000)))
    tracemalloc.start()
    try:
        found = cloud.logs.read(Try("try", (LAUNCHED,), None, has_ended=True))
        assert sum(1 for _ in found.lines) == 20_001
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 << 20  # The log has 11 MB.


@pytest.mark.parametrize("known", [True, False])
def test_without_notes(cloud, known):
    """AWS says where the log is, and after an hour the options, as a guess. The log says that notes are missing."""
    cloud.cloud.write(GROUP, STREAM, "line")
    cloud.options = {"task_definition": "airflow:5", "container_name": "main"}
    if not known:
        cloud.task = None
    of = Try("try", (), ARN, has_ended=True)
    found = cloud.logs.read(of)
    line, remark = found.lines
    assert line.endswith("] line")
    assert "WARNING - Airflow's event log has no note of this ECS task" in remark
    assert ("a guess by [fargate] task_definition = airflow:5" in found.sources[1]) is not known
    assert cloud.definitions[0].endswith(":3" if known else ":5")


def test_non_blocking_log_driver(cloud):
    """The source says that lines may be missing."""
    cloud.log["options"] = {**OPTIONS, "mode": "non-blocking"}
    cloud.cloud.write(GROUP, STREAM, "line")
    assert "may drop lines" in cloud.read()[0][1]


def test_not_launched_yet(cloud):
    """No call is made until the ECS task is known. From Airflow 3.2 on, an id of Airflow's comes before its ARN."""
    found = cloud.logs.read(Try("try", (), "6f9619ff-8b86-d011-b42d-00c04fc964ff", is_polled=True))
    assert "not stored yet which ECS task" in found.sources[0]
    assert [*found.lines] == []
    assert cloud.made == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda cloud: setattr(cloud, "task", None),
            "where it is is not known: AWS describes an ECS task for",
        ),
        (lambda cloud: cloud.task.update(overrides={}), "was not launched by this executor"),
        (lambda cloud: cloud.task.update(lastStatus="PENDING"), "has not started yet (PENDING)"),
        (
            lambda cloud: setattr(cloud, "error", refused(cloud)),
            "ecs:DescribeTasks is not allowed (AccessDenied",
        ),
        (lambda cloud: setattr(cloud, "error", ConnectionResetError("peer")), "ConnectionResetError"),
    ],
)
def test_ecs_task_that_aws_is_asked_about(cloud, change, says):
    """Without a note that says where its log is."""
    change(cloud)
    assert says in cloud.read(Note(BEGIN, notes.LAUNCH, "Waiting."), arn=ARN, has_ended=True)[1][1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lastStatus": "STOPPED", "stoppedReason": "CannotPullContainerError: no image"}, "no image"),
        (None, "noted no reason for the end of the ECS task, and AWS was asked in vain: AWS describes"),
    ],
)
def test_reason_that_no_note_has(cloud, change, says):
    """Its scheduler was killed, or the notes were removed: AWS is asked; the reason is the last line."""
    cloud.cloud.write(GROUP, STREAM, "line")
    cloud.task = change and {**cloud.task, **change}
    lines = cloud.ended(has_failed=True)
    assert "ERROR" in lines[-1]
    assert says in lines[-1]
    failure = Note(BEGIN + 1, notes.FAILURE, "noted")
    assert "noted" in cloud.ended(LAUNCHED, failure, has_failed=True)[-1]


@pytest.mark.parametrize(
    ("events", "failed", "lines"),
    [
        ((LAUNCHED,), False, 1),
        ((LAUNCHED,), True, 1),
        ((LAUNCHED, Note(BEGIN + 1, notes.FAILURE, "never started")), True, 0),
        # Another ECS task followed the first one, so that one had not started.
        ((launched(1)[0], launched(9)[0]), False, 1),
    ],
)
def test_log_stream_that_does_not_exist(cloud, events, failed, lines):
    """Each source says so; it is a line only where nothing else explains it."""
    found = cloud.logs.read(Try("try", events, None, has_ended=True, ended_at=1, has_failed=failed))
    streams = [source for source in found.sources if "log group" in source]
    assert all(", which does not exist: https" in source for source in streams)
    assert "".join(found.lines).count("there is no log stream") == lines


def test_hanging_call(cloud, monkeypatch):
    """It delays neither the page nor the end of the process."""
    hangs, threads, waited = threading.Event(), [], []

    class Thread(threading.Thread):
        def join(self, timeout=None):
            threads.append(self)
            waited.append(timeout)

    monkeypatch.undo()
    monkeypatch.setattr(live.threading, "Thread", Thread)
    cloud.cloud.get_log_events = lambda **_: hangs.wait(20) and {}
    try:
        sources, lines = cloud.read()
    finally:
        hangs.set()
    assert waited == [PATIENCE]
    assert all(thread.daemon for thread in threads)
    assert "within 4.5 seconds" in sources[-1]
    assert len(lines) == 1  # The note on the launch.


@pytest.mark.parametrize(
    ("event", "later", "written"),
    [("a line", 1000, True), ("a line", 999, False), ("::group::Pre", 1000, False)],
)
def test_when_a_line_was_written(event, later, written):
    """It is shown where it differs from the time that is shown, except in the title of a group."""
    form = JsonForm()
    shown = json.loads(
        form.retimed(form.line(BEGIN, BEGIN, json.dumps({"event": event})), BEGIN + later).text
    )
    assert ("written" in shown) == written

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
"""Whatever AWS answers, of whatever shape, a verdict comes of it, and the one that harms nobody where in doubt."""

from __future__ import annotations

from datetime import datetime, timezone
from math import isfinite

from hypothesis import given, strategies as st

from airflow.executors.fargate.aws.answers import (
    Answer,
    EcsTask,
    MalformedAnswer,
    identity_override,
)
from airflow.executors.fargate.aws.classify import (
    CREDENTIAL_CODES,
    SERVER_CODES,
    THROTTLE_CODES,
    classify_error,
)
from airflow.executors.fargate.aws.explanations import EXPLANATIONS, NEVER_STARTED
from airflow.executors.fargate.aws.outcome import (
    classify_ecs_task as classify_any_ecs_task,
    classify_run_task as classify_any_answer,
)
from airflow.executors.fargate.aws.verdict import Outcome, Verdict
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Identity, Launch, TaskInstanceId

NAME = "airflow"
ARN = "arn:aws:ecs:us-east-1:123456789012:task/cluster/0123"
OF_RUN_TASK = {
    Verdict.ACCEPTED,
    Verdict.UNKNOWN,
    Verdict.NO_CAPACITY,
    Verdict.AWAY,
    Verdict.LAUNCH_AGAIN,
}
OF_ERRORS = {
    Verdict.ACCEPTED,
    Verdict.UNKNOWN,
    Verdict.THROTTLED,
    Verdict.CREDENTIALS,
    Verdict.NO_CAPACITY,
    Verdict.AWAY,
    Verdict.FAILED,
}
OF_TASKS = {
    Verdict.LIVE,
    Verdict.FINISHED,
    Verdict.FAILED,
    Verdict.LAUNCH_AGAIN,
    Verdict.NO_CAPACITY,
    Verdict.AWAY,
}
#: Verdicts of what never started.
NOT_STARTED = (Verdict.LAUNCH_AGAIN, Verdict.NO_CAPACITY, Verdict.AWAY)


def classify_run_task(response):
    """Judge a response of RunTask as it comes in."""
    try:
        return classify_any_answer(Answer.parse(response))
    except MalformedAnswer as error:
        return classify_error(error)


def classify_ecs_task(task, name):
    """Judge an ECS task as it comes in; one without an ARN gets one."""
    members = task if isinstance(task, dict) else {}
    arn = members.get("taskArn")
    arn = arn if isinstance(arn, str) and arn else ARN
    return classify_any_ecs_task(EcsTask.parse({**members, "taskArn": arn}), name)


class Shy:
    """Cannot be shown."""

    def __str__(self):
        raise RuntimeError("not to be shown")

    __repr__ = __str__


#: What neither a float nor a timestamp can hold.
MOMENTS = [10**400, -(10**400), datetime.min, datetime.max, float("nan"), float("inf"), True, -1, 0]
moments = st.sampled_from(MOMENTS) | st.floats() | st.datetimes() | st.integers()
scalars = st.one_of(
    st.none(),
    st.booleans(),
    moments,
    st.text(max_size=8),
    st.binary(max_size=8),
    st.datetimes(timezones=st.just(timezone.utc)),
    st.builds(Shy),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


ABSENT = object()


def some(**members):
    """Return dicts with most of these members, each one now and then of any shape."""

    def with_most(drawn):
        return {name: value for name, value in drawn.items() if value is not ABSENT}

    odd = st.just(ABSENT) | anything
    return st.fixed_dictionaries({name: mostly(value, odd) for name, value in members.items()}).map(with_most)


def mostly(usual, odd):
    """Return the usual in five cases of six: hypothesis takes each of its branches as often as any other."""
    return st.integers(0, 5).flatmap(lambda case: odd if case == 5 else usual)


words = st.sampled_from(
    [
        *(f"{(row.leading.split() or ['So'])[0]}: {row.phrase}" for row in EXPLANATIONS),
        "AGENT",
        "MISSING",
        "CannotPullContainerError: no",
        "OutOfMemoryError",
        "",
    ]
)
codes = st.sampled_from(
    [
        *sorted(THROTTLE_CODES | CREDENTIAL_CODES | SERVER_CODES),
        "InvalidParameterException",
        "ClientException",
        "ConflictException",
        "AccessDeniedException",
        "ClusterNotFoundException",
        "500",
        "",
        "SomethingNew",
    ]
)
arns = st.lists(st.sampled_from([ARN, ""]), max_size=2)
states = st.sampled_from(
    ["PROVISIONING", "PENDING", "RUNNING", "STOPPING", "STOPPED", "DELETED", "HIBERNATING"]
)
exit_codes = st.sampled_from([0, 0, 1, 137, -1, 255])
containers = st.lists(
    mostly(
        some(
            name=st.sampled_from([NAME, "sidecar"]),
            lastStatus=states,
            exitCode=exit_codes,
            reason=words,
        ),
        anything,
    ),
    max_size=3,
)
tasks = some(
    taskArn=st.sampled_from([ARN, ARN, ""]),
    lastStatus=states,
    desiredStatus=st.sampled_from(["RUNNING", "STOPPED"]),
    startedAt=st.floats(min_value=1, max_value=2e9),
    executionStoppedAt=moments,
    stopCode=st.sampled_from(
        ["TaskFailedToStart", "EssentialContainerExited", "UserInitiated", "SpotInterruption", "NewCode"]
    ),
    stoppedReason=words,
    containers=containers,
)
failures = st.lists(mostly(some(arn=st.just(ARN), reason=words, detail=words), anything), max_size=2)
answers = mostly(some(tasks=st.lists(mostly(tasks, anything), max_size=2), failures=failures), anything)


class Answered(Exception):
    """An error that holds an answer, as botocore's ClientError does."""

    def __init__(self, response, *arguments):
        super().__init__(*arguments)
        self.response = response


class NoCredentialsError(Exception):
    """Is called as botocore's is."""


class ParamValidationError(Exception):
    """Is called as botocore's is."""


error_answers = mostly(
    some(
        Error=some(Code=codes, Message=words),
        ResponseMetadata=some(HTTPStatusCode=st.sampled_from([200, 400, 403, 429, 500, 503])),
        resourceIds=arns,
    ),
    anything,
)
errors = st.one_of(
    st.builds(Answered, error_answers),
    st.builds(Answered, error_answers, anything),
    st.builds(
        lambda kind, what: kind(what),
        st.sampled_from(
            [OSError, TimeoutError, ValueError, NoCredentialsError, ParamValidationError, KeyboardInterrupt]
        ),
        anything,
    ),
)


def check(outcome, verdicts):
    """Whatever was judged: a verdict of these, words for a human, a time that is one, an ARN that is one."""
    assert isinstance(outcome, Outcome)
    assert outcome.verdict in verdicts
    assert isinstance(outcome.reason, str)
    assert outcome.arn is None or isinstance(outcome.arn, str)
    # A metric is made of it: infinity would be no number of seconds.
    assert outcome.ended_at is None or isfinite(outcome.ended_at)
    if outcome.verdict not in (Verdict.ACCEPTED, Verdict.LIVE, Verdict.FINISHED):
        assert outcome.reason


@given(answers)
def test_any_answer_to_run_task(answer):
    """Accepted only with an ARN; no container only where AWS says why; anything else says the same again."""
    outcome = classify_run_task(answer)
    check(outcome, OF_RUN_TASK)
    assert (outcome.verdict is Verdict.ACCEPTED) == bool(outcome.arn)
    told = answer if isinstance(answer, dict) else {}
    listed = told.get("tasks")
    accepted = [
        task
        for task in (listed if isinstance(listed, list) else [])
        if isinstance(task, dict) and isinstance(task.get("taskArn"), str) and task["taskArn"]
    ]
    assert (outcome.verdict is Verdict.ACCEPTED) == bool(accepted)
    if outcome.verdict in NOT_STARTED:
        assert any(isinstance(failure, dict) for failure in told["failures"])


@given(errors)
def test_any_error(error):
    """No error says that nothing was started but one that AWS itself has sent, or botocore before the call."""
    outcome = classify_error(error)
    check(outcome, OF_ERRORS)
    assert (outcome.verdict is Verdict.ACCEPTED) == bool(outcome.arn)
    if not isinstance(error, Answered):
        known = {NoCredentialsError: Verdict.CREDENTIALS, ParamValidationError: Verdict.FAILED}
        assert outcome.verdict is known.get(type(error), Verdict.UNKNOWN)


@given(mostly(tasks, anything), mostly(st.just(NAME), st.text(max_size=8)))
def test_any_task(task, name):
    """Nobody but the named container finishes a launch, by its own exit code 0, and only once it has stopped."""
    outcome = classify_ecs_task(task, name)
    check(outcome, OF_TASKS)
    told = task if isinstance(task, dict) else {}
    listed = told.get("containers")
    ours = [
        container
        for container in (listed if isinstance(listed, (list, tuple)) else [])
        if isinstance(container, dict) and container.get("name") == name
    ]
    code = ours[0].get("exitCode") if ours else None
    task_stopped = told.get("lastStatus") in ("STOPPED", "DELETED")
    ended = isinstance(code, int) and not isinstance(code, bool)
    ended = ended and (task_stopped or ours[0].get("lastStatus") == "STOPPED")
    # AWS can say that it never started, and put an exit code beside it.
    never_ran = not told.get("startedAt") and any(
        isinstance(words, str) and words.startswith(tuple(NEVER_STARTED))
        for words in (told.get("stoppedReason"), ours[0].get("reason") if ours else None)
    )
    finished = outcome.verdict is Verdict.FINISHED
    assert finished == (ended and code == 0) or never_ran and not finished
    if outcome.verdict in NOT_STARTED:
        # A second container is for what AWS itself says has stopped, and of which no sign says that it ran.
        assert task_stopped
        assert not outcome.started
        assert not told.get("startedAt")
        assert not ended or never_ran
    if outcome.verdict is Verdict.LIVE:
        assert not task_stopped


@given(tasks)
def test_what_has_started_is_never_launched_again(task):
    """Once AWS names a time of the start, no verdict launches a second container, whatever else is missing."""
    outcome = classify_ecs_task({**task, "startedAt": 1.7e9}, NAME)
    assert outcome.started
    assert outcome.verdict in (Verdict.LIVE, Verdict.FINISHED, Verdict.FAILED)


@given(mostly(tasks, anything), anything, anything)
def test_any_identity(task, overrides, value):
    """Whatever stands in the overrides of a task that is not ours, reading them raises nothing."""
    task = task if isinstance(task, dict) else {}
    Identity.parse(*identity_override({**task, "overrides": overrides}))
    variable = {"name": IDENTITY_VARIABLE, "value": value}
    told = Identity.parse(
        *identity_override({"overrides": {"containerOverrides": [{"name": NAME, "environment": [variable]}]}})
    )
    assert told is None or isinstance(told.launch_id, str)


#: No database takes a NUL, nor a number of more than 32 bits, so Airflow has neither.
ids = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
numbers = {"min_value": -1, "max_value": 2**31 - 1}


@given(
    st.builds(TaskInstanceId, ids, ids, ids, st.integers(**numbers), st.integers(**numbers)),
    st.floats(min_value=0, max_value=4e9),
)
def test_an_identity_is_read_as_it_was_written(task, handed_over):
    """Ids of any alphabet, with quotes, line breaks and all else, come back as they went."""
    launch = Launch(task, task, handed_over=handed_over)
    variable = {"name": IDENTITY_VARIABLE, "value": launch.identity}
    told = Identity.parse(
        *identity_override({"overrides": {"containerOverrides": [{"name": NAME, "environment": [variable]}]}})
    )
    assert told == Identity(launch.id, task, handed_over, NAME)


@given(moments)
def test_any_end(moment):
    """The time of an end is only for metrics: none that AWS sends loses the end itself."""
    container = {"name": NAME, "lastStatus": "STOPPED", "exitCode": 0}
    outcome = classify_ecs_task({"executionStoppedAt": moment, "containers": [container]}, NAME)
    check(outcome, {Verdict.FINISHED})

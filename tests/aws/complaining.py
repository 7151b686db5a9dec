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
"""What is wrong with a recording, or with how the executor reads it; for a recording of anything that AWS may say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator
from tools.aws.inside.replacements import ACCOUNT, IDENTITY_VARIABLE, REPLACED

from airflow.executors.fargate.aws.classify import (
    CREDENTIAL_CODES,
    REFUSED_CODES,
    SERVER_CODES,
    THROTTLE_CODES,
    classify_error,
    error_code,
)
from airflow.executors.fargate.aws.outcome import classify_ecs_task, classify_run_task
from airflow.executors.fargate.aws.usage import Usage
from airflow.executors.fargate.aws.verdict import Verdict

from tests.aws.replaying import Exchange, Result, as_it_is, ask, end_of, main_container

if TYPE_CHECKING:
    from botocore.model import ServiceModel

#: What each service may answer besides what its model names.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html
COMMON_CODES = CREDENTIAL_CODES | REFUSED_CODES | SERVER_CODES | THROTTLE_CODES
COMMON_CODES |= {"OptInRequired", "SerializationException", "UnknownOperationException", "ValidationError"}
COMMON_CODES |= {"ValidationException"}
#: What the reason of a launch has where the executor knows AWS's words, and says what to do.
EXPLAINED = "(AWS: "
#: What is somebody's own, by what it is. A time such as 1.480367265813E9 is no account.
PRIVATE = {
    "an account id": rf"(?<![\w.])(?!{ACCOUNT})\d{{12}}(?!\w)",
    "a token": r"eyJ[\w+/=-]{8,}",
    "the id of an access key": r"\bA(?:KI|SI)A[A-Z0-9]{12,}",
    "a password in a URL": rf"//[^/@\s:]*:(?!{re.escape(REPLACED)})[^/@\s]+@",
    "an IP address": r"(?<![\d.])(?!127\.|192\.0\.2\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])",
    "a MAC address": r"(?<![\w:])(?!00:00:5e:00:53:)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![\w:])",
}
MEMBERS = {"at", "service", "operation", "request", "status", "headers", "body"}


def complaints(recording: Any, fakes: ModuleType) -> list[str]:
    """
    Return what is wrong, a sentence each; empty where the executor understands all of it.

    :param fakes: the doubles of the executor's tests
    """
    if wrong := list(_of_its_form(recording)):
        return wrong
    exchanges = recording["exchanges"]
    found = [*_of_privacy(recording)]
    for number, exchange in enumerate(exchanges):
        where = f"exchange {number}, {exchange['operation']}"
        found += [f"{where}: {text}" for text in (*_of_secrets(exchange), *_of_answer(exchange))]
    found += _of_pages(recording)
    # An end can be followed only through answers that are understood.
    return found or list(_of_ends(recording, fakes))


def complaints_of(path: Path, fakes: ModuleType) -> list[str]:
    """Return what is wrong with the recording in a file."""
    try:
        recording = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return [f"it is no JSON: {error}"]
    return complaints(recording, fakes)


def unknown_members(recording: Mapping[str, Any]) -> list[str]:
    """Return the members of answers that the installed botocore does not know: AWS adds some, and no test fails."""
    found = {text: None for each in recording["exchanges"] for text, is_new in _differences(each) if is_new}
    return list(found)


def _of_its_form(recording: Any) -> Iterator[str]:
    exchanges = recording.get("exchanges") if isinstance(recording, dict) else None
    if not isinstance(exchanges, list) or not exchanges:
        yield "it has no exchanges"
        return
    yield from (f"it has no {name}" for name in ("source", "trial", "seen") if name not in recording)
    for number, exchange in enumerate(exchanges):
        if not isinstance(exchange, dict) or exchange.keys() != MEMBERS:
            yield f"exchange {number} does not have the members {', '.join(sorted(MEMBERS))}"
        elif exchange["operation"] not in _model(exchange["service"]).operation_names:
            yield f"exchange {number}: botocore has no {exchange['operation']} of {exchange['service']}"


def _of_privacy(recording: Mapping[str, Any]) -> Iterator[str]:
    text = json.dumps(recording)
    for what, pattern in PRIVATE.items():
        if found := re.search(pattern, text):
            yield f"it has {what}: {found.group()}"


def _of_secrets(exchange: Exchange) -> Iterator[str]:
    """Complain of commands and of environment variables that are as they were."""
    for value in (exchange["request"], _parsed(exchange)):
        for name, member in _members(value):
            if name in ("command", "entryPoint") and member not in ([], [REPLACED]):
                yield f"it has a {name}"
            variables = member if name == "environment" and isinstance(member, list) else ()
            kept = {each.get("name") for each in variables if each.get("value") != REPLACED}
            yield from (f"it has the value of the variable {each}" for each in kept - {IDENTITY_VARIABLE})


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    pairs = value.items() if isinstance(value, dict) else ()
    yield from pairs
    for inner in value if isinstance(value, list) else [member for _, member in pairs]:
        yield from _members(inner)


def _of_answer(exchange: Exchange) -> Iterator[str]:
    result = ask(exchange)
    if result.error is not None:
        yield from _of_error(exchange, result)
        return
    if _parsed(exchange) is None:
        yield "the body is no JSON object"
        return
    yield from (text for text, is_new in _differences(exchange) if not is_new)
    if exchange["operation"] in ("RunTask", "DescribeTasks"):
        yield from _of_ecs_tasks(exchange, result.value)
    if exchange["operation"] == "ListTasks" and len(result.value.arns) != len(_parsed(exchange)["taskArns"]):
        yield "the executor leaves out ARNs of the page"


def _of_error(exchange: Exchange, result: Result) -> Iterator[str]:
    code, status = error_code(result.cause), exchange["status"]
    if status == 200:
        yield f"the executor does not understand it: {result.error!r}"
        return
    verdict = getattr(result.error, "verdict", None) or classify_error(result.error).verdict
    if status < 500 and verdict is Verdict.UNKNOWN:
        yield f"the executor does not know what an error with status {status} and code {code!r} means"
    known = COMMON_CODES | {shape.error_code for shape in _model(exchange["service"]).error_shapes}
    if code and code not in known:
        yield f"AWS's error code {code} is not known"


def _of_ecs_tasks(exchange: Exchange, answer: Any) -> Iterator[str]:
    if answer.malformed:
        yield f"{answer.malformed} of its items are malformed"
    if exchange["operation"] == "RunTask":
        outcome = classify_run_task(answer)
        if outcome.verdict is not Verdict.ACCEPTED and EXPLAINED not in outcome.reason:
            yield f"the executor does not know why nothing was started: {outcome.reason}"
    else:
        reasons = {failure.reason for failure in answer.failures} - {"MISSING"}
        yield from (f"the executor does not know the failure {reason}" for reason in sorted(reasons))
    whole = ask(exchange, as_it_is).value
    for task, by_botocore, raw in zip(answer.tasks, whole.tasks, _parsed(exchange).get("tasks") or ()):
        if replace(task, usage=Usage()) != replace(by_botocore, usage=Usage()):
            yield f"the executor reads {task.arn} otherwise than botocore"
        outcome = classify_ecs_task(task, main_container(raw))
        if task.last_status == "STOPPED" and outcome.lives:
            yield f"{task.arn} has stopped, and the executor waits for it"


def _of_pages(recording: Mapping[str, Any]) -> Iterator[str]:
    """Complain of a page that was asked for with a token that no page before has: its replacement differs."""
    known: set[str] = set()
    for exchange in recording["exchanges"] if not recording.get("left_out") else ():
        token = exchange["request"].get("nextToken")
        if exchange["operation"] == "ListTasks" and token and token not in known:
            yield f"the page with the token {token} follows no page"
        known.add((_parsed(exchange) or {}).get("nextToken"))


def _of_ends(recording: Mapping[str, Any], fakes: ModuleType) -> Iterator[str]:
    for seen in recording["seen"]:
        arn = seen["ecs_task"]
        end = end_of(recording["exchanges"], arn, fakes)
        read = "running" if end is None else "failed" if end.reason else "well"
        was = "well" if seen["exit_code"] == 0 else "failed"
        if read != was:
            yield f"{arn} was {was}, and is {read} by now: {end and end.reason}"
        # Not the other way round: with exit code 0, the task instance has said itself how it ended.
        if read == "failed" and seen["state"] == "success":
            yield f"the task instance of {arn} has succeeded, and it failed: {end and end.reason}"
        for word in seen["words"] if was == "failed" else ():
            if word not in str(end and end.reason):
                yield f"the reason of {arn} does not have {word!r}: {end and end.reason}"


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def _parsed(exchange: Exchange) -> Any:
    """Return the object that a body is; None for any other body."""
    try:
        parsed = json.loads(exchange["body"])
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _differences(exchange: Exchange) -> Iterator[tuple[str, bool]]:
    """Yield how an answer differs from botocore's model, and whether it is a member that the model does not have."""
    shape = _model(exchange["service"]).operation_model(exchange["operation"]).output_shape
    if exchange["status"] != 200 or shape is None or (parsed := _parsed(exchange)) is None:
        return
    report = ParamValidator().validate(_without_nulls(parsed), shape)
    for line in report.generate_report().splitlines():
        yield f"{exchange['operation']}: {line}", line.startswith("Unknown parameter")


def _without_nulls(value: Any) -> Any:
    """Leave out members that are null, which botocore reads as absent."""
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value

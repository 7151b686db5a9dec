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
"""What AWS's documentation leaves open: what is asked, and how it is found out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.aws.inside.account import has_stopped
from tools.aws.inside.trial import ANSWERED, PATIENCE, STOP_PATIENCE, Seen, Trial
from tools.aws.inside.words import said, try_wrong_requests

if TYPE_CHECKING:
    from tools.aws.inside.trial import Bench

#: Seconds between two looks for a new ECS task, and how long it is looked for.
LOOK_EVERY, LOOKED_FOR = 0.2, 60.0
#: How many ECS tasks are looked for.
LOOKED_FOR_TIMES = 3


def ask_missing(bench: Bench) -> Seen:
    """Ask how long after RunTask the other calls do not know its ECS task."""
    times = [_time_of_missing(bench) for _ in range(LOOKED_FOR_TIMES)]
    describe, lists = (
        ", ".join(f"{each[name]:.1f}" if each[name] is not None else "never" for each in times)
        for name in ("describe", "list")
    )
    words = f"DescribeTasks knew the ECS task {describe} s after RunTask's answer, ListTasks {lists} s"
    return Seen(ANSWERED, words, {"times": times})


def _time_of_missing(bench: Bench) -> dict[str, Any]:
    started_by = f"{bench.settings.deployment}-{uuid.uuid4().hex[:8]}"
    arn = bench.run_ecs_task(startedBy=started_by)
    cluster, began = bench.settings.cluster, bench.clock()
    found: dict[str, Any] = {"describe": None, "list": None, "reasons": []}
    looks: dict[str, Callable[[], object]] = {
        "describe": lambda: _is_described(bench.account.ecs, cluster, arn, found["reasons"]),
        "list": lambda: arn in bench.account.listed(startedBy=started_by),
    }
    while looks and bench.clock() - began < LOOKED_FOR:
        for name in [name for name, look in looks.items() if look()]:
            found[name] = bench.clock() - began
            del looks[name]
        if looks:
            bench.sleep(LOOK_EVERY)
    return found


def _is_described(ecs: Any, cluster: str, arn: str, reasons: list[str]) -> bool:
    answer = ecs.describe_tasks(cluster=cluster, tasks=[arn])
    reasons += [str(failure.get("reason")) for failure in answer["failures"]]
    return bool(answer["tasks"])


def ask_client_token(bench: Bench) -> Seen:
    """Ask what a second RunTask with the same token says."""
    token = uuid.uuid4().hex
    first = bench.run_ecs_task(clientToken=token)
    again = bench.run_ecs_task(clientToken=token)
    other, arns = "the same", []
    try:
        overrides = bench.account.overrides("sleep", "2")
        arns = [bench.run_ecs_task(clientToken=token, overrides=overrides)]
    except ClientError as error:
        other, arns = said(error), error.response.get("resourceIds", [])
    same = "the same ECS task" if first == again else "another ECS task"
    which = "which it names" if arns == [first] else "which it does not name"
    words = f"The same request gets {same}; another request gets {other}, {which}"
    return Seen(ANSWERED, words, {"same": first == again, "other": other, "names_it": arns == [first]})


def ask_list_stopped(bench: Bench) -> Seen:
    """Ask whether ListTasks finds stopped ECS tasks by startedBy, and for how long."""
    names = [f"{bench.settings.deployment}-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    arns = [bench.run_ecs_task(startedBy=name) for name in names]
    bench.wait_until(
        lambda: len(found := bench.account.describe(arns)) == 2 and all(map(has_stopped, found)),
        "both ECS tasks are STOPPED",
        PATIENCE + STOP_PATIENCE,
    )
    with_status = [_finds_alone(bench, name, arn, desiredStatus="STOPPED") for name, arn in zip(names, arns)]
    alone = [_finds_alone(bench, name, arn) for name, arn in zip(names, arns)]
    age, listed, described = _oldest(bench)
    words = (
        f"ListTasks with startedBy and desiredStatus STOPPED: {with_status[0]}. With startedBy alone: {alone[0]}."
        f" The one that stopped {age / 60:.0f} minutes ago is {'' if listed else 'not '}listed, and"
        f" {'' if described else 'not '}described"
    )
    details = {
        "with_status": with_status,
        "alone": alone,
        "age": age,
        "listed": listed,
        "described": described,
    }
    return Seen(ANSWERED, words, details)


def _finds_alone(bench: Bench, started_by: str, arn: str, **which: str) -> str:
    """Return whether ListTasks finds the one ECS task that was started by a name, or how AWS refuses that."""
    try:
        found = list(bench.account.listed(startedBy=started_by, **which))
    except ClientError as error:
        return said(error)
    return "it finds that ECS task alone" if found == [arn] else f"it finds {len(found)} ECS tasks"


def _oldest(bench: Bench) -> tuple[float, bool, bool]:
    """Return of the ECS task that has stopped first: seconds since, and whether it is listed, and described."""
    stopped = [task for task in bench.account.stopped.values() if "stoppedAt" in task]
    oldest = min(stopped, key=lambda task: task["stoppedAt"])
    arn, family = oldest["taskArn"], oldest["taskDefinitionArn"].rpartition("/")[2].partition(":")[0]
    listed = arn in bench.account.listed(family=family, desiredStatus="STOPPED")
    described = _is_described(bench.account.ecs, bench.settings.cluster, arn, [])
    return time.time() - oldest["stoppedAt"].timestamp(), listed, described


def ask_words(bench: Bench) -> Seen:
    """Ask how AWS refuses each of a table of wrong requests, and what the executor reads from that."""
    rows = try_wrong_requests(bench)
    refused = sum(row["refused"] for row in rows)
    return Seen(ANSWERED, f"AWS refused {refused} of {len(rows)} wrong requests", {"requests": rows})


QUESTIONS = (
    Trial(
        "missing",
        "An ECS task right after RunTask",
        "How long does DescribeTasks say MISSING, and when does ListTasks have it?",
        ask_missing,
    ),
    Trial(
        "client-token",
        "A client token that is used again",
        "Does the same request get the same ECS task? Which error does another request get?",
        ask_client_token,
    ),
    Trial("words", "Wrong requests", "How does AWS refuse each, and what does the executor read?", ask_words),
    # After the trials, so that some ECS tasks have stopped long ago.
    Trial(
        "list-stopped",
        "ECS tasks that have stopped",
        "Does ListTasks find them by startedBy, and for how long?",
        ask_list_stopped,
    ),
)

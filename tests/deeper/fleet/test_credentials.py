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
"""What happens while the service that issues the credentials refuses: the errors are not ECS's."""

from __future__ import annotations

from concurrent.futures import Future
from unittest import mock

import pytest

from airflow.executors.fargate.fleet import calls
from airflow.executors.fargate.fleet.waits import AGAIN, NOTE_PATIENCE
from airflow.executors.fargate.messages import Accepted, Ended
from airflow.executors.fargate.present import Candidate

ROLE = "arn:aws:iam::210987654321:role/scheduler"
#: Seconds.
OUTAGE = 600


@pytest.fixture
def sts(fakes, ecs, monkeypatch):
    """Return an STS: while it is ``away``, each call to ECS ends with its error, before anything is sent."""
    error = fakes.aws_error(
        "AccessDenied",
        "User: arn:aws:iam::123456789012:user/a is not authorized to perform: sts:AssumeRole on resource: "
        + ROLE,
        status=403,
    )
    error.operation_name = "AssumeRole"
    service = mock.Mock(spec=["away"], away=False)
    answer = ecs._call

    def call(name, *arguments):
        if service.away:
            raise error
        return answer(name, *arguments)

    monkeypatch.setattr(ecs, "_call", call)
    return service


@pytest.fixture
def log(monkeypatch):
    """Return the log of the calls."""
    double = mock.create_autospec(calls.log, instance=True)
    monkeypatch.setattr(calls, "log", double)
    return double


def test_nothing_fails_while_the_role_is_refused_for_ten_minutes(fakes, fleet, ecs, sts, log):
    """What waits, runs, is to be adopted or may have started goes on afterwards; each waiting launch has a note."""
    runs, unknown, orphan = (fakes.make_launch(number) for number in range(100, 103))
    fleet.add(runs)
    ecs.start(ecs.arns[0])
    ecs.next("run_task", fakes.Lost(TimeoutError("no answer")))
    fleet.add(unknown)
    arn = ecs.put(fakes.make_request(orphan))
    ecs.start(arn)

    sts.away = True
    waiting = [fakes.make_launch(number) for number in range(20)]
    fleet.add(*waiting)
    reply = Future()
    fleet.tell(fleet.fleet.adopt, [Candidate(orphan.task, orphan.task, None, fleet.clock.at - 60)], reply)
    fleet.advance(NOTE_PATIENCE + AGAIN)
    notes = {event.launch.id: event.text for event in fleet.waiting}
    for launch in waiting:
        for words in (f"AssumeRole for the role {ROLE}", "AccessDenied", "trust policy"):
            assert words in notes[launch.id]
    fleet.advance(OUTAGE - NOTE_PATIENCE - AGAIN)
    assert not [event for event in fleet.told if isinstance(event, Ended)]
    log.warning.assert_called_once_with("AWS refuses calls for now; they wait: %s", mock.ANY)
    assert f"AssumeRole for the role {ROLE} fails" in log.warning.call_args.args[1]

    sts.away = False
    fleet.advance(60)
    accepted = {event.launch.id for event in fleet.told if isinstance(event, Accepted)}
    assert accepted >= {launch.id for launch in (*waiting, unknown)}
    assert len(ecs.launches_of(unknown.id)) == 1
    assert orphan.id in {run.launch.id for run in fleet.fleet.runs_by_id.values()}
    for launch in (runs, orphan):
        ecs.exit(ecs.launches_of(launch.id)[0], 0)
    fleet.advance(20)
    assert {event.launch.id for event in fleet.told if isinstance(event, Ended)} == {runs.id, orphan.id}

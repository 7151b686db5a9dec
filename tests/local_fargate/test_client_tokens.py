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

import pytest
from tools.simulator.aws_errors import AwsError
from tools.simulator.ecs.client_tokens import ClientTokens
from tools.simulator.ecs.tasks import Task
from tools.simulator.faults.source import TaskPlan

DAY = 24 * 3600
HOUR = 3600
REQUEST = {"clientToken": "token", "taskDefinition": "a"}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tokens(clock):
    return ClientTokens(clock)


def make_task(stopped_at=None):
    task = Task("arn", "cluster", "a", "FARGATE", "", 1, TaskPlan(), {}, REQUEST, [], [], 0.25, 1000.0)
    if stopped_at is not None:
        task.status = "STOPPED"
        task.times["stoppedAt"] = stopped_at
    return task


@pytest.mark.parametrize(
    ("tasks", "age", "alive"),
    [
        ([make_task()], DAY - 1, True),
        ([make_task()], DAY, False),
        ([make_task(stopped_at=1000.0 + 60)], HOUR + 59, True),
        ([make_task(stopped_at=1000.0 + 60)], HOUR + 60, False),
        ([make_task(stopped_at=1000.0 + 60), make_task()], HOUR + 60, True),
        ([make_task(stopped_at=1000.0 + DAY - 60)], DAY, False),
        ([], HOUR + 60, True),
        ([], DAY, False),
    ],
)
def test_a_token_lives_a_day_or_an_hour_longer_than_its_task(tokens, clock, tasks, age, alive):
    """The lower of the two; a request without a task only has the day."""
    tokens.remember("cluster", REQUEST, b"answer", tasks)
    clock.now += age
    assert tokens.replay("cluster", REQUEST) == (b"answer" if alive else None)


def test_a_dead_token_may_come_with_other_parameters(tokens, clock):
    """What has expired is no conflict."""
    tokens.remember("cluster", REQUEST, b"answer", [])
    other = REQUEST | {"taskDefinition": "b"}
    with pytest.raises(AwsError, match="ConflictException"):
        tokens.replay("cluster", other)
    clock.now += DAY
    assert tokens.replay("cluster", other) is None


def test_requests_without_a_token_are_not_kept(tokens):
    """Without a token nothing is repeated."""
    tokens.remember("cluster", {"taskDefinition": "a"}, b"answer", [])
    assert tokens.replay("cluster", {"taskDefinition": "a"}) is None

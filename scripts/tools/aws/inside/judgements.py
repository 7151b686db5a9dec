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
"""What each trial makes of what it has seen; nothing here asks anybody."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tools.aws.inside.account import STOP_REASON, tag
from tools.aws.inside.trial import AS_EXPECTED, NOT_PROVOKED, OTHERWISE, Seen

if TYPE_CHECKING:
    from tools.aws.inside.trial import Facts

#: What the executor notes of a launch that AWS has no capacity for.
NO_CAPACITY = "Trying again until there is capacity"
#: The exit code of a container whose process was killed.
KILLED = 137
#: What AWS says where it cannot pull an image.
NO_IMAGE = "CannotPull"


def success(facts: Facts) -> Seen:
    """Expect that all task instances have succeeded."""
    return _seen(facts.is_success, facts)


def killed(facts: Facts, container: str) -> Seen:
    """Expect a failure whose reason names the exit code of a killed process."""
    codes = [each.get("exitCode") for task in facts.ecs_tasks for each in _main(task, container)]
    return _failed(facts, str(KILLED), also=codes == [KILLED])


def no_image(facts: Facts) -> Seen:
    """Expect a failure whose reason names the pull, and that no container has started."""
    never = not any("startedAt" in task for task in facts.ecs_tasks)
    return _failed(facts, NO_IMAGE, also=never and bool(facts.ecs_tasks))


def stopped(facts: Facts) -> Seen:
    """Expect a failure whose reason has the words of whoever stopped the ECS task."""
    codes = {task.get("stopCode") for task in facts.ecs_tasks}
    return _failed(facts, STOP_REASON, also=codes == {"UserInitiated"})


def scheduler_killed(facts: Facts, launched: int) -> Seen:
    """
    Expect that all task instances have succeeded, and that each has had one ECS task that started.

    :param launched: the number of ECS tasks when the scheduler was killed.
    """
    ran = Counter(tag(task, "airflow:map_index") for task in facts.ecs_tasks if "startedAt" in task)
    once = sorted(ran.values()) == [1] * len(facts.task_instances)
    twice = sum(count > 1 for count in ran.values())
    words = f"The scheduler was killed after {launched} ECS tasks; {twice} tasks ran more than once. {facts.in_words()}"
    if not 0 < launched < len(facts.task_instances) and facts.is_success and once:
        return Seen(NOT_PROVOKED, words, _details(facts))
    return Seen(AS_EXPECTED if facts.is_success and once else OTHERWISE, words, _details(facts))


def mapped(facts: Facts, seconds: float) -> Seen:
    """Expect that all have succeeded; where the account's quota is small and the time was over, some wait still."""
    refused = _refusals(facts)
    words = f"{seconds:.0f} s; {len(refused)} launches had to wait for capacity. {facts.in_words()}"
    waits = refused and set(facts.states) <= {"success", "running", "queued", "scheduled", "None"}
    verdict = AS_EXPECTED if facts.is_success else NOT_PROVOKED if waits else OTHERWISE
    return Seen(verdict, words, _details(facts))


def spot(facts: Facts) -> Seen:
    """Expect that all have succeeded, on Spot."""
    capacity = sorted({str(task.get("capacityProviderName")) for task in facts.ecs_tasks})
    words = f"Capacity: {', '.join(capacity) or 'none'}. {facts.in_words()}"
    if _refusals(facts) and not facts.is_success:
        return Seen(NOT_PROVOKED, f"There is no Spot capacity. {words}", _details(facts))
    good = facts.is_success and capacity == ["FARGATE_SPOT"]
    return Seen(AS_EXPECTED if good else OTHERWISE, words, _details(facts))


def no_capacity(facts: Facts) -> Seen:
    """Expect that what AWS has refused waits, and has not failed."""
    refused = _refusals(facts)
    if facts.states.get("failed") and not refused:
        return Seen(OTHERWISE, f"It failed. {_reasons(facts)}", _details(facts))
    if not refused:
        return Seen(NOT_PROVOKED, f"AWS had capacity for all. {facts.in_words()}", _details(facts))
    return Seen(AS_EXPECTED, f"{len(refused)} launches wait: {refused[0]}", _details(facts))


def _failed(facts: Facts, text: str, *, also: bool) -> Seen:
    """Judge whether the one task instance has failed, a note has a text, and something else is so."""
    named = any(text in note for note in facts.failures)
    good = facts.state == "failed" and set(facts.states) == {"failed"} and named and also
    return Seen(AS_EXPECTED if good else OTHERWISE, f"{facts.in_words()}. {_reasons(facts)}", _details(facts))


def _seen(good: bool, facts: Facts) -> Seen:
    words = facts.in_words() if good else f"{facts.in_words()}. {_reasons(facts)}"
    return Seen(AS_EXPECTED if good else OTHERWISE, words, _details(facts))


def _reasons(facts: Facts) -> str:
    """Return why launches have failed, each reason once."""
    reasons = " | ".join(dict.fromkeys(facts.failures))
    return f"The executor says: {reasons}" if reasons else "The executor says nothing."


def _refusals(facts: Facts) -> list[str]:
    return [note for note in facts.notes if NO_CAPACITY in note]


def _main(task: dict[str, Any], container: str) -> list[dict[str, Any]]:
    return [each for each in task.get("containers", ()) if each["name"] == container]


def _details(facts: Facts) -> dict[str, Any]:
    """Return the different notes but for those that each launch has, at most ten."""
    notes = [note for note in facts.notes if not note.startswith(("Launched", "Started", "Ran for"))]
    return {"notes": list(dict.fromkeys(notes))[:10]}

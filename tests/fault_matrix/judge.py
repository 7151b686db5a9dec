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
"""What was seen against what is expected: every difference is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.fault_matrix.evidence import Containers, Evidence, exit_code, stopped_by_somebody
from tests.fault_matrix.row import ATTEMPTS, BY_EXIT_CODE, Expected, Row, Size

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey

#: Seconds that a heartbeat may take. That it asks nobody and waits for nobody is noted as it happens; so this is wide:
#: the machine, and the other rows in the same process, may keep it from its turn.
HEARTBEAT_LIMIT = 10.0
#: Seconds that the machine may be late, beside what was measured of that.
LATE = 6.0
SUCCESS, FAILED = "success", "failed"


def differences(row: Row, seen: Evidence, size: Size) -> list[str]:
    """Return everything that is not as the row says, one line each; nothing is what is hoped for."""
    found = list(_of_the_whole(row, seen, size))
    for key in seen.hand_overs:
        found += [f"{key.task_id}: {told}" for told in _of_a_task(row, seen, key)]
    if len(seen.hand_overs) != size.tasks:
        found.append(f"{len(seen.hand_overs)} task instances were handed over, not {size.tasks}")
    return found


def _of_the_whole(row: Row, seen: Evidence, size: Size) -> Iterator[str]:
    if seen.overdue:
        yield "it was not over in time"
    for error in seen.errors:
        yield f"an exception left heartbeat(): {error!r}"
    if seen.restarts:
        yield f"the fleet's thread met {seen.restarts} bugs"
    if seen.longest_heartbeat > HEARTBEAT_LIMIT:
        yield f"a heartbeat took {seen.longest_heartbeat:.2f} s"
    for what in sorted(set(seen.waited)):
        yield f"the scheduler's thread: {what}, {seen.waited.count(what)} times"
    yield from seen.left
    yield from _of_what_struck(row, seen)
    yield from _of_those_that_return(row, seen)
    for code in row.expected.unmet:
        for call, results in seen.calls.items():
            if results.get(code):
                yield f"{call} met {code} {results[code]} times"
    late = row.expected.resumed
    if late is not None and (seen.resumed is None or seen.resumed > late * size.scale + LATE + seen.late):
        yield f"the last launch came {seen.resumed} s after the last step"
    if row.expected.none_before and (seen.first is None or seen.first < 0):
        yield f"the first launch came {seen.first} s after the last step"
    if row.procedure in ("killed", "checked_twice") and (
        seen.adopted is None or not 0 < seen.adopted < size.tasks
    ):
        yield f"{seen.adopted} were adopted, so the row shows nothing of the others"
    yield from _of_those_that_come_later(row, seen, size)
    unheard = {"away", "silent"} & {row.sts, *(step.sts for step in row.steps)}
    if row.sts and not unheard and not seen.sts_refusals:
        yield "STS has given credentials each time, so the row shows nothing"
    if seen.leaks:
        yield f"{len(seen.leaks)} reprs tell a secret"


def _of_those_that_come_later(row: Row, seen: Evidence, size: Size) -> Iterator[str]:
    """Judge whether those that wait for capacity have held up the others."""
    most = row.expected.overtaking
    if most is None:
        return
    if not seen.overtaking:
        yield "none was handed over later, so the row shows nothing"
    for key, seconds in seen.overtaking.items():
        if seconds > most * size.scale + LATE + seen.late:
            yield f"{key.task_id}: it had an ECS task {seconds:.1f} s after its hand-over"


def _of_what_struck(row: Row, seen: Evidence) -> Iterator[str]:
    """Demand that all which goes wrong in a row did so."""
    for settings in (row.settings, *(step.settings for step in row.steps)):
        struck = [(fault["kind"], fault.get("operation", "*")) for fault in settings.get("faults", ())]
        struck += [("latency", operation) for operation in settings.get("latency", ())]
        struck += [(name, "*") for name in ("missing_for", "stopped_retention") if name in settings]
        for kind, operation in struck:
            if not seen.strikes.get((kind, operation)):
                yield f"no {kind} of {operation} has struck, so the row shows nothing"
    if row.quota is not None and not seen.strikes.get(("vcpu_quota", "*")):
        yield "the quota was never reached, so the row shows nothing"
    failed = sum(len(launch.failed) for launches in seen.launches.values() for launch in launches)
    if row.expected.failed_starts != (0, 0) and not failed:
        yield "no container failed to start, so the row shows nothing"


def _of_those_that_return(row: Row, seen: Evidence) -> Iterator[str]:
    """Judge whether Airflow would have failed what waits to be queued again, when its earlier launch's end is told."""
    if row.procedure in ("deferred", "rescheduled") and not seen.left_alone:
        yield "no end was told between two launches, so the row shows nothing"
    for key, left_alone in seen.left_alone:
        if not left_alone:
            yield f"{key.task_id}: Airflow would have failed it, since its earlier container has ended"


def _of_a_task(row: Row, seen: Evidence, key: TaskInstanceKey) -> Iterator[str]:
    ends, launches = seen.ends(key), seen.launches[key]
    if key in seen.odd:
        yield from _of_an_odd_one(row, seen, key)
        return
    yield from _of_the_ends(seen, key)
    for number, launch in enumerate(launches, 1):
        latest = number == len(launches)
        expected = row.expected if latest else Expected(ran=(0, 1), containers=(0, 1))
        if latest and _is_stopped(row, launch):
            expected = Expected(ran=(0,), containers=(0,), failed_starts=(1, 1))
        yield from _of_the_containers(expected, launch)
    if row.expected.note and not row.expected.is_told(seen.notes.get(key.task_id, ())):
        yield f"no note of it says {row.expected.note}"
    if not ends or key in seen.revoked or not launches:
        return
    yield from _of_the_last_end(row, seen, key)


def _of_an_odd_one(row: Row, seen: Evidence, key: TaskInstanceKey) -> Iterator[str]:
    """Judge a task instance whose request cannot be made: it fails, with its reason, and nothing is launched."""
    ends = seen.ends(key)
    if [told.state for told in ends] != [FAILED]:
        yield f"it should have failed, once: {ends}"
    elif row.odd_reason not in str(ends[0].info):
        yield f"its reason is {ends[0].info!r}"
    if not any(row.odd_reason in note for note in seen.notes.get(key.task_id, ())):
        yield "its event log does not say why"
    if any(launch.failed or launch.others for launch in seen.launches[key]):
        yield "it has a container"


def _is_stopped(row: Row, launch: Containers) -> bool:
    """Tell whether somebody has stopped it who means the launch."""
    return bool(row.expected.stopped) and any(map(stopped_by_somebody, launch.failed))


def _of_the_ends(seen: Evidence, key: TaskInstanceKey) -> Iterator[str]:
    """Judge how many ends were told: one for the last launch, and at most one for each earlier one."""
    by_launch = [told.hand_overs for told in seen.ends(key)]
    if len(by_launch) != len(set(by_launch)):
        yield f"ends were told more than once: {seen.ends(key)}"
    if seen.hand_overs[key] not in by_launch and key not in seen.revoked:
        yield "it is lost: no end was told"


def _of_the_containers(expected: Expected, launch: Containers) -> Iterator[str]:
    least, most = expected.failed_starts
    if len(launch.ran) not in expected.ran:
        yield f"{len(launch.ran)} containers ran"
    if len(launch.others) not in expected.containers:
        yield f"{len(launch.others)} containers, not counting those that failed to start"
    if len(launch.failed) < least or most is not None and len(launch.failed) > most:
        yield f"{len(launch.failed)} containers failed to start"


def _of_the_last_end(row: Row, seen: Evidence, key: TaskInstanceKey) -> Iterator[str]:
    """Judge the end of the last launch by its container."""
    end, launch = seen.ends(key)[-1], seen.launches[key][-1]
    reason = str(end.info or "")
    right, expected_reason = FAILED, row.expected.reason
    if _is_stopped(row, launch):
        expected_reason = row.expected.stopped
    elif row.expected.ends == BY_EXIT_CODE and launch.ran:
        right = SUCCESS if exit_code(launch.ran[-1]) == 0 else FAILED
    elif row.expected.ends == BY_EXIT_CODE and len(launch.failed) != (
        row.expected.failed_starts[1] or ATTEMPTS
    ):
        yield f"it ended after {len(launch.failed)} failed starts"
    if end.state != right:
        yield f"it is told as {end.state} and should be {right} ({reason})"
    if end.state == FAILED and (not reason or expected_reason not in reason):
        yield f"its reason is {reason!r}"
    if end.state == FAILED and not any(reason in note for note in seen.notes.get(key.task_id, ())):
        yield "its event log does not say why it failed"
    since = (told for told in seen.told[key] if told.hand_overs == end.hand_overs)
    arns = [told.info for told in since if told.state == "running"]
    # Told in the same heartbeat, an end takes the place of the ARN in the executor's event buffer.
    if launch.ran and arns and arns[-1] != launch.ran[-1]["taskArn"]:
        yield "the ARN that was told is not that of the container that ran"

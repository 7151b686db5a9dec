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
"""What a user sees in Airflow of containers that run, and of one that died before Airflow's own logging began."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from tools.harness.dag_run import DagRun
from tools.harness.processes import wait_until

from airflow.executors.fargate.notes import EVENTS, FAILURE, LAUNCH, LINES, noted_ecs_task

PATIENCE = 90


@pytest.fixture
def api(deployment):
    """Return Airflow's REST API, with a user that may ask it."""
    deployment.airflow.add_user()
    return deployment.airflow.api


def test_a_log_is_shown_while_its_task_runs(deployment, api):
    """The API server, whose executor was never started, shows what the container has written to CloudWatch so far."""
    run = DagRun(deployment, "talks", "shows-its-log")
    run.trigger()
    run.follow(until=lambda tis: any(ti.state == "running" for ti in tis), timeout=120)
    (launch,) = run.launches()

    def shown():
        log = api.log("talks", "shows-its-log", "runs_long")
        lines = deployment.fargate.lines(launch.container)
        plain = [line for line in lines if line.strip() and "token" not in line and not line.startswith("{")]
        return log if lines and all(line in log for line in plain[:5]) else None

    log = wait_until(shown, timeout=PATIENCE, what="the lines of the running task")
    assert f"stream ecs/airflow/{launch.container}" in log
    assert f"ECS task {launch.container}: https://us-east-1.console.aws.amazon.com/" in log
    assert "eyJ" not in log
    run.follow(timeout=180)
    assert run.result().problems() == []


def test_no_line_is_shown_twice(deployment, api):
    """
    Neither while the task runs nor when it has ended, though each is in a file on the same disk and in CloudWatch.

    What is printed is stamped once for each of them, so its times differ.
    """
    run = DagRun(deployment, "counts", "counts-aloud")
    run.trigger()
    run.follow(until=lambda tis: any(ti.state == "running" for ti in tis), timeout=120)
    where = ("counts", "counts-aloud", "counts_seconds")

    def counted():
        return Counter(re.findall(r"(?:printed|logged) \d+|Launched arn:", api.log(*where)))

    def most():
        """Look again and again, since the last lines are those that may be there twice."""
        words = counted()
        twice.update(word for word, times in words.items() if times > 1)
        return words["printed 15"]

    twice = set()
    wait_until(most, timeout=PATIENCE, what="what the task says")
    assert twice == set()
    assert repeated(api.lines(*where)) == []
    run.follow(timeout=180)
    said = {"Launched arn:", *(f"{how} {number}" for how in ("printed", "logged") for number in range(20))}
    ended = wait_until(lambda: said <= set(words := counted()) and words, timeout=PATIENCE, what="all lines")
    assert ended == Counter(said)
    assert repeated(api.lines(*where)) == []


def repeated(lines):
    """Return the lines with a time that are there more than once."""
    return [line for line, times in Counter(lines).items() if times > 1 and line[0]]


def test_a_container_that_dies_before_airflow_logs_is_not_mute(deployment, api):
    """Its task's audit log has what happened, with the container's id and a link to it, and its last words."""
    run_id = "dies-mute"
    run = DagRun(deployment, "dies_mute", run_id)
    run.trigger()
    assert run.follow(timeout=180) == "failed"

    def told():
        events = api.events("dies_mute", run_id)
        return events if any(event["event"] == LINES for event in events) else None

    events = wait_until(told, timeout=PATIENCE, what="the container's last words")
    (launch,) = run.launches()
    told = [event for event in events if event["event"] in EVENTS]
    # It may be seen while it runs.
    told = [event for event in told if not event["extra"].startswith("Started after ")]
    assert {(event["task_id"], event["try_number"]) for event in told} == {("never_begins", 1)}
    assert [event["event"] for event in told] == [LAUNCH, FAILURE, LAUNCH, LINES]
    launched, failure, ended, lines = (event["extra"] for event in told)
    ecs_task = noted_ecs_task(launched)
    assert (ecs_task.arn.rpartition("/")[2], ecs_task.container) == (launch.container, "airflow")
    assert re.fullmatch(r"airflow:\d+", ecs_task.definition)
    assert re.match(
        r"Ran for \d+ s: accepted \d+ s, provisioned \d+ s, image pulled \d+ s, started \d+ s\. "
        r"Billed: 0\.25 vCPU and 0\.5 GB for 60 s = 15 vCPU-seconds, 30 GB-seconds, on demand, x86\.$",
        ended,
    )
    assert failure.startswith("Container airflow exited with code 1. Its command failed (AWS: ")
    link = f"ECS task {launch.container}: https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/airflow/tasks/"
    assert f"{link}{launch.container}/" in failure
    assert failure.endswith("?region=us-east-1")
    assert lines.startswith(f"Last lines of container airflow ({launch.container}):\n")
    assert "LookupError: unknown encoding: no-such-encoding" in lines


def test_the_log_of_a_try_that_has_ended(deployment, api):
    """It has the lines of its container among the executor's notes, also where Airflow's own logging never began."""
    run = DagRun(deployment, "dies_mute", "ended-log")
    run.trigger()
    assert run.follow(timeout=180) == "failed"
    (launch,) = run.launches()

    def shown():
        log = api.log("dies_mute", "ended-log", "never_begins")
        return log if "exited with code 1" in log else None

    log = wait_until(shown, timeout=PATIENCE, what="the reason in the log")
    words = ("Launched ", "unknown encoding: no-such-encoding", "Container airflow exited with code 1.")
    places = [log.index(word) for word in words]
    assert places == sorted(places)
    assert [log.count(word) for word in words] == [1, 1, 1]
    assert f"stream ecs/airflow/{launch.container}" in log

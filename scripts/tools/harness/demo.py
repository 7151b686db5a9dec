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
"""Runs two Dags on a real Airflow with FargateExecutor and a local Fargate, and shows each of their ECS tasks."""

from __future__ import annotations

import signal
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tools.harness import failures
from tools.harness.dag_run import LOOK_EVERY, DagRun
from tools.harness.deployment import Deployment
from tools.harness.environment import REPOSITORY
from tools.harness.interruption import end_where_it_waits, waiting
from tools.harness.processes import HarnessError, wait_until
from tools.harness.releases import RELEASES, Release
from tools.harness.report import BAD, GOOD, Progress, launch_table
from tools.harness.settings import USER

if TYPE_CHECKING:
    from tools.harness.dag_run import Result
    from tools.harness.launches import Launch

DAG_ID = "example_fargate_executor"
DAG_FILE = REPOSITORY / "airflow" / "example_dags" / f"{DAG_ID}.py"
DAG_FILES = (DAG_FILE, failures.DAG_FILE)
# Seconds for both runs, on a slow machine.
PATIENCE = 600

# The try of each launch that a task instance must have had, in order.
EXPECTED_TRIES = {
    "fails_once": [1, 2],
    "list_parts": [1],
    "someone_came_back": [1, 1],
    **{f"square[{index}]": [1] for index in range(4)},
    "total": [1],
    "wait_outside": [1, 1],
    "with_overrides": [1],
}
# It looks as often as it must.
SENSOR = "someone_came_back"

LEGEND = (
    "Task ran: the task instance's duration by Airflow's own record; if it was deferred or rescheduled, it stands at its "
    "last ECS task. ECS task existed: from RunTask to STOPPED, so it includes the start of Airflow in it. A task can have "
    "run for longer than that: if it was deferred, the time since its first ECS task counts; if it was killed, the time "
    "until the scheduler has learned of it."
)
REMOVED = "All of it is stopped and removed"

# Seconds within which a Dag file that is put into the folder appears: it is looked for every 5 s, and then read.
PICKED_UP_WITHIN = 30
# Seconds without a heartbeat after which Airflow 2 takes a task that was killed for dead; Airflow 3 heeds the executor.
MISSED_HEARTBEATS = 30
SETTINGS = {
    3: {"AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5"},
    2: {
        "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": str(MISSED_HEARTBEATS),
    },
}


def demo(release: Release, environment: Path, *, keep: bool) -> int:
    """Run the demo and return its exit code."""
    # SIGINT, too, which a shell that starts us in the background has ignored.
    end_where_it_waits()
    progress = Progress()
    progress.say(f"Airflow {release.line} with FargateExecutor; this takes one to two minutes")
    try:
        with Deployment(
            release,
            environment,
            dags=DAG_FILES,
            extra=SETTINGS[release.major],
            fargate={"faults": [failures.NO_SUCH_IMAGE]},
            say=progress.say,
        ) as deployment:
            problems = run_dags(deployment, progress)
            if keep:
                _keep(deployment, progress)
        progress.say(REMOVED)
    except HarnessError as error:
        progress.tell(str(error), BAD)
        return 1
    except KeyboardInterrupt:
        progress.say(REMOVED)
        return 128 + signal.SIGINT
    return 1 if problems else 0


def run_dags(deployment: Deployment, progress: Progress) -> list[str]:
    """Run both Dags side by side, show what happens, and return what went otherwise than it should."""
    failures.prepare(deployment)
    # What an ECS task is for is told by its Dag run's id.
    example, failing = runs = [
        DagRun(deployment, dag_id, f"demo-of-{dag_id}") for dag_id in (DAG_ID, failures.DAG_ID)
    ]
    progress.say(f"Running the Dag {DAG_ID}; the first try of its task fails_once is meant to fail")
    progress.say(f"Running the Dag {failures.DAG_ID}; its two tasks are meant to fail")
    if deployment.airflow.settings.release.major == 2:
        progress.say(f"Airflow 2 sees that a task was killed after {MISSED_HEARTBEATS} s without a heartbeat")
    # Each hand-over of the example must be seen, and Airflow 2 takes seconds to trigger a run: so it comes last.
    failing.trigger()
    example.trigger()
    wait_until(
        # A list: each of them is looked at.
        lambda: all([run.look(progress.show) for run in runs]),
        timeout=PATIENCE,
        what=f"{DAG_ID} and {failures.DAG_ID} to end",
        every=LOOK_EVERY,
    )
    problems = _show_example(deployment, progress, example.result())
    problems += _show_failures(deployment, progress, failing.result())
    if problems:
        progress.tell("\nThe end of the scheduler's log:")
        progress.console.print(deployment.airflow.scheduler.tail(), markup=False)
    return problems


def _show_example(deployment: Deployment, progress: Progress, result: Result) -> list[str]:
    """Show the launches of the example Dag, and return what is wrong with them."""
    problems = result.problems() + unexpected(result.launches)
    durations = deployment.airflow.database.durations(DAG_ID, result.run_id)
    progress.console.print()
    progress.console.print(launch_table(f"Dag {DAG_ID}: {result.state}", result.launches, durations))
    progress.console.print()
    progress.tell(LEGEND)
    good = f"{len(result.launches)} launches, each with one ECS task of its own; the Dag run succeeded."
    _conclude(progress, problems, good)
    return problems


def _show_failures(deployment: Deployment, progress: Progress, result: Result) -> list[str]:
    """Show the launches that are meant to fail with their reasons, and return what is wrong with them."""
    database = deployment.airflow.database
    notes = database.events(failures.DAG_ID, result.run_id, "fargate %")
    reasons = failures.reasons(notes)
    launches = sorted(result.launches, key=lambda launch: (launch.name, launch.queued, launch.created))
    problems = failures.unexpected(result, reasons)
    title = f"Dag {failures.DAG_ID}: {result.state}, and meant to fail"
    durations = database.durations(failures.DAG_ID, result.run_id)
    progress.console.print()
    progress.console.print(launch_table(title, launches, durations, reasons))
    progress.console.print()
    for name, reason in {
        launch.name: reasons[launch.container] for launch in launches if launch.container in reasons
    }.items():
        progress.tell(f"Airflow's log of {name} says: {reason}\n")
    _conclude(progress, problems, failures.AS_MEANT)
    return problems


def _conclude(progress: Progress, problems: list[str], good: str) -> None:
    """Say what is wrong, or that all is good."""
    for problem in problems:
        progress.tell(problem, BAD)
    if not problems:
        progress.tell(good, GOOD)


def unexpected(launches: Iterable[Launch]) -> list[str]:
    """Say where the example Dag did not show what it is there to show."""
    tries: dict[str, list[int]] = defaultdict(list)
    for launch in launches:
        tries[launch.name].append(launch.try_number)
    tries[SENSOR] = tries[SENSOR][: len(EXPECTED_TRIES[SENSOR])]
    return [
        f"{name}: launched for the tries {tries.get(name, [])}, not {EXPECTED_TRIES.get(name, [])}"
        for name in sorted({*tries, *EXPECTED_TRIES})
        if tries.get(name, []) != EXPECTED_TRIES.get(name, [])
    ]


def _keep(deployment: Deployment, progress: Progress) -> None:
    """Leave everything running until the user has seen enough."""
    airflow = deployment.airflow
    airflow.add_user()
    # Its check asks other services than ECS, too, which the local Fargate answers.
    command = airflow.write_command({"AWS_ENDPOINT_URL": deployment.fargate.told["endpoint_url"]})
    progress.tell("\nAirflow stays up:", "bold")
    for what, value in (
        ("Web page", airflow.settings.address),
        ("Log in", f"user {USER}, password {airflow.settings.password}"),
        ("Dag folder", str(airflow.dags)),
        ("", f"A Dag file put there appears within {PICKED_UP_WITHIN} s, not paused."),
        ("Run a Dag", f"{command} dags trigger {DAG_ID}"),
        ("ECS tasks", f"{command} fargate tasks"),
        ("", "It shows those that have not ended: run a Dag first."),
        ("Check it", f"{command} fargate check --run"),
        ("", "It checks the setup, also from inside an ECS task."),
        ("Links", "Those to console.aws.amazon.com lead nowhere: there is no AWS account here."),
        ("End it", "Press Ctrl-C here; all of it is removed, the Dag folder too."),
    ):
        progress.console.print(f"  {what:<10}  {value}", markup=False, soft_wrap=True)
    try:
        with waiting():
            signal.pause()
    except KeyboardInterrupt:
        progress.console.print()


if __name__ == "__main__":
    # scripts/demo has checked the arguments.
    sys.exit(demo(RELEASES[sys.argv[1]], Path(sys.prefix), keep="--keep" in sys.argv))

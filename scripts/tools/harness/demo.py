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
"""Runs the example DAG on a real Airflow with FargateExecutor and a local Fargate, and shows each launch."""

from __future__ import annotations

import signal
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tools.harness.dag_run import DagRun
from tools.harness.deployment import Deployment
from tools.harness.environment import REPOSITORY
from tools.harness.interruption import end_where_it_waits, waiting
from tools.harness.processes import HarnessError
from tools.harness.releases import RELEASES, Release
from tools.harness.report import BAD, GOOD, Progress, launch_table
from tools.harness.settings import USER

if TYPE_CHECKING:
    from tools.harness.launches import Launch

DAG_ID = "example_fargate_executor"
DAG_FILE = REPOSITORY / "airflow" / "example_dags" / f"{DAG_ID}.py"

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


def demo(release: Release, environment: Path, *, keep: bool) -> int:
    """Run the demo and return its exit code."""
    # SIGINT, too, which a shell that starts us in the background has ignored.
    end_where_it_waits()
    progress = Progress()
    try:
        with Deployment(release, environment, dags=[DAG_FILE], say=progress.say) as deployment:
            problems = run_example(deployment, progress)
            if keep:
                _keep(deployment, progress)
    except HarnessError as error:
        progress.console.print(str(error), style=BAD, markup=False)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 1 if problems else 0


def run_example(deployment: Deployment, progress: Progress) -> list[str]:
    """Run the example DAG, show what happens, and return what went otherwise than it should."""
    progress.say(f"Running {DAG_ID}")
    run = DagRun(deployment, DAG_ID, "demo")
    run.trigger()
    run.follow(show=progress.show)
    result = run.result()
    problems = result.problems() + unexpected(result.launches)
    progress.console.print()
    progress.console.print(launch_table(result.launches))
    if problems:
        for problem in problems:
            progress.console.print(problem, style=BAD, markup=False)
        progress.console.print("\nThe end of the scheduler's log:")
        progress.console.print(deployment.airflow.scheduler.tail(), markup=False)
    else:
        told = f"{len(result.launches)} launches, each with one ECS task of its own; the run succeeded."
        progress.console.print(told, style=GOOD)
    return problems


def unexpected(launches: Iterable[Launch]) -> list[str]:
    """Say where the example DAG did not show what it is there to show."""
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
    settings = deployment.airflow.settings
    deployment.airflow.add_user()
    progress.console.print(f"\nAirflow is at {settings.address}, user {USER}, password {settings.password}")
    progress.console.print("Press Ctrl-C here to end it.")
    try:
        with waiting():
            signal.pause()
    except KeyboardInterrupt:
        progress.console.print()


if __name__ == "__main__":
    # scripts/demo has checked the arguments.
    sys.exit(demo(RELEASES[sys.argv[1]], Path(sys.prefix), keep="--keep" in sys.argv))

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
"""``scripts/aws/verify``: run the trials on AWS, write the report, and delete what that took."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.markup import escape
from rich.table import Table

from tools.aws.errors import DeploymentError
from tools.aws.explanations import explain_error
from tools.aws.templates import VERIFY
from tools.aws.verifying import cost, report, target, task_definitions
from tools.aws.verifying.cleaning import Cleaning
from tools.aws.verifying.follower import Follower
from tools.aws.verifying.protocol import Message, Results
from tools.aws.verifying.report import Ending
from tools.aws.verifying.scheduler_task import SchedulerTask

if TYPE_CHECKING:
    from rich.console import Console

    from tools.aws.plan import Clients
    from tools.aws.stacks import Stacks

#: What the exit code of a shell's command is after Ctrl-C.
INTERRUPTED = 130
#: https://docs.aws.amazon.com/general/latest/gr/ecs-service.html: six vCPUs, where nobody has asked for more.
QUOTA = (
    "Where the account's quota is AWS's default of 6 vCPUs (Service Quotas, L-3032A538), --parameter Mapped=40 is enough: 200 mapped "
    "tasks would wait for one another until the time is over."
)
#: So many of the last lines of a log are shown.
SHOWN = 5


class Verify:
    """One run of the command."""

    def __init__(
        self,
        given: argparse.Namespace,
        clients: Clients,
        stacks: Stacks,
        console: Console,
        ask: Callable[[str], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._given = given
        self._ecs, self._logs = clients("ecs"), clients("logs")
        self._stacks = stacks
        self._console = console
        self._ask = ask
        self._sleep = sleep
        self._trials = tuple(given.only or cost.TITLES)
        region = self._ecs.meta.region_name
        self._refuse_unknown()
        self._target = target.read(stacks, given.name, region, dict(given.parameter))
        self._task = SchedulerTask(self._ecs, self._target, sleep)
        self._results = Results(self._show_trial, self._say)
        self._cleaning = Cleaning(given.name, self._target.cluster, self._ecs, stacks, sleep)
        #: Why not all trials have come.
        self._failure = ""

    def run(self) -> int:
        """Show what is to be done, ask, do it, and return the exit code."""
        self._show_plan(self._cleaning.left())
        if not self._given.yes and not self._ask("Go on?"):
            self._say("Nothing was done.")
            return 1
        began = _now()
        folder = self._given.report or Path(f"verify-{began:%Y%m%d-%H%M%S}")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            interrupted = self._try(folder)
            # The report first: whoever does not wait for the end of the cleaning has it.
            written = self._write(folder, Ending(began, _now(), self._failure, self._described()))
        finally:
            cleaned = self._clean()
        return interrupted or cleaned or written

    def _refuse_unknown(self) -> None:
        if unknown := [name for name in self._trials if name not in cost.TITLES]:
            raise DeploymentError(f"--only {unknown[0]}: no such trial. There are: {', '.join(cost.TITLES)}")

    def _show_plan(self, left: list[str]) -> None:
        costs = cost.most(self._target, self._trials)
        title = f"What one ECS task with a whole Airflow tries, in the cluster {self._target.cluster}"
        table = Table("Trial", "What", "US$ at most", title=title, title_justify="left")
        for name in self._trials:
            table.add_row(name, cost.TITLES[name], f"{costs[name]:.3f}")
        table.add_row("", "the whole Airflow", f"{costs['scheduler']:.3f}")
        self._console.print(table)
        self._say(
            f"Cost: ${sum(costs.values()):.2f} at most (prices of US East, N. Virginia). It takes up to "
            f"{task_definitions.LIMIT // 60} minutes, and the credentials must last as long. The stack {VERIFY.stack_name(self._given.name)} (a security group, "
            "a role) and three task definitions are made and deleted again; the deployment's own ECS tasks stay as they are."
        )
        if "mapped" in self._trials:
            self._say(QUOTA)
        self._say(
            "Settings: " + ", ".join(f"{name}={value}" for name, value in self._target.settings.items())
        )
        if left:
            self._say(
                "An earlier run has left this, or still runs. It is stopped and deleted first:\n  "
                + "\n  ".join(left)
            )

    def _try(self, folder: Path) -> int:
        """Run the trials, and return an exit code where they have been interrupted, else 0; failures are kept."""
        try:
            if self._cleaning.left():
                self._clean_earlier()
            self._make()
            self._follow(folder)
        except KeyboardInterrupt:
            self._failure = "Interrupted."
            return INTERRUPTED
        except DeploymentError as error:
            self._failure = str(error)
        except (BotoCoreError, ClientError) as error:
            self._failure = explain_error(error)
        return 0

    def _clean_earlier(self) -> None:
        self._say("Stopping and deleting what an earlier run has left")
        if left := self._cleaning.clean():
            raise DeploymentError("An earlier run has left what cannot be deleted:\n  " + "\n  ".join(left))

    def _make(self) -> None:
        stack = self._stacks.create(VERIFY, self._given.name, self._target.stack_values())
        task_definitions.register(self._ecs, self._target, stack.outputs["VerifyTaskRoleArn"])
        self._task.start(stack.outputs["VerifySecurityGroupId"], self._given.only)
        self._say(f"The scheduler's ECS task: {self._task.arn}")

    def _follow(self, folder: Path) -> None:
        """Take what the scheduler's ECS task writes until it has ended."""
        with (folder / "scheduler.log").open("w", encoding="utf-8") as log:

            def keep(line: str) -> None:
                log.write(report.without(line, self._secrets()) + "\n")
                log.flush()

            follower = Follower(self._task, self._logs, self._target, self._results, keep, self._sleep)
            follower.follow()

    def _described(self) -> Mapping[str, Any] | None:
        try:
            return self._task.describe() if self._task.arn else None
        except (BotoCoreError, ClientError):
            return None

    def _write(self, folder: Path, ending: Ending) -> int:
        built = report.build(self._target, self._results, self._trials, ending)
        report.write(folder, built, self._secrets())
        broken = report.write_recordings(folder, self._results, self._secrets())
        if broken:
            self._say(f"These recordings have not come whole, and are left out: {', '.join(broken)}")
        if self._failure:
            lines = [self._failure, *built["last_lines"][-SHOWN:]]
            self._console.print(f"[red]{escape(lines[0])}[/red]", soft_wrap=True, highlight=False)
            self._say("\n".join(lines[1:]))
        self._say(
            f"Report: {folder / 'report.html'}; the Airflow's own log: {folder / 'scheduler.log'}; "
            f"cost: ${built['cost']['together']:.2f}"
        )
        return report.exit_code(built)

    def _clean(self) -> int:
        """Delete what was made, and return 0 if nothing is left."""
        self._say("Stopping and deleting what was made")
        again = f"scripts/aws/destroy --name {self._given.name} deletes it together with the deployment."
        try:
            left = self._cleaning.clean()
        except KeyboardInterrupt:
            self._say(f"Interrupted; what was made may be left. {again}")
            return INTERRUPTED
        if left:
            self._say(
                "This is left:\n  " + "\n  ".join(left) + f"\nThe next run deletes it first; or {again}"
            )
            return 1
        log, days = self._target.outputs["LogGroupName"], self._target.parameters["LogRetentionDays"]
        self._say(f"Nothing is left of it but its lines in {log}, which expire after {days} days.")
        return 0

    def _secrets(self) -> dict[str, str]:
        return {self._task.password: "***", self._target.account: report.NO_ACCOUNT}

    def _show_trial(self, trial: Message) -> None:
        color = "green" if trial["verdict"] in report.GOOD else "red"
        said = f"{trial['title']}: {trial['seen']} ({float(trial.get('seconds', 0)):.0f} s)"
        verdict = f"[{color}]{escape(trial['verdict']):<12}[/{color}]"
        self._console.print(f"{verdict}  {escape(said)}", highlight=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _now() -> datetime:
    return datetime.now(timezone.utc)

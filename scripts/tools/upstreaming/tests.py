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
"""Our tests inside the tree, and Airflow's own before and after; both under the tree's conftest and plugins."""

from __future__ import annotations

import sys
import xml.etree.ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tools.harness.environment import REPOSITORY
from tools.upstreaming.clone import Clone, UpstreamError
from tools.upstreaming.table import Row

OURS = ("fargate", "test_fargate_executor.py")
# Beside the tests of executors: what reads config.yml, and what gathers the commands of executors. Each stands elsewhere
# in some trees.
OTHERS = ("test_configuration.py", "test_config_command.py", "test_cli_parser.py")
EXAMPLES = "test_example_dags.py"
# Tests of Airflow's that are left out.
LEFT_OUT = {
    "TestCliSubprocess": "starts Airflow without a HOME: it reads the caller's own airflow.cfg, or writes one"
}
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Results:
    """What became of each test, by its class and name."""

    outcomes: dict[str, str]

    def __str__(self) -> str:
        counts = Counter(self.outcomes.values())
        return ", ".join(f"{counts[o]} {o}" for o in (PASSED, FAILED, SKIPPED) if counts[o]) or "no tests"

    def failed(self) -> set[str]:
        """Return the tests that failed."""
        return {name for name, outcome in self.outcomes.items() if outcome == FAILED}


class RunsOfTests:
    """The tests that concern the patch, in one clone."""

    def __init__(self, clone: Clone):
        self._clone = clone
        self._executors = Path(clone.tree.checkout.tests)
        self._before: Results | None = None
        self._is_distribution = clone.tree.checkout.is_distribution

    def before(self) -> None:
        """Run Airflow's own tests, without the patch."""
        if self._is_distribution:
            return
        self._before = self._run("airflows-tests-before", *self._airflows())

    def after(self) -> list[Row]:
        """Run ours at each commit of the patch, and Airflow's own tests, with the patch."""
        earlier = [self._ours_at(commit) for commit in self._clone.commits()[:-1]]
        ours = self._ours("our-tests")
        rows = [
            *earlier,
            Row("our tests, in the tree", "-", str(ours), _good(ours), tuple(sorted(ours.failed()))),
        ]
        return rows if self._is_distribution else rows + self._airflows_after()

    def _airflows_after(self) -> list[Row]:
        left_out = [f"--ignore={self._executors / name}" for name in OURS]
        after = self._run("airflows-tests-after", *self._airflows(), *left_out)
        return [
            self._compared(after),
            *(_absent(f"Airflow's {name}") for name in OTHERS if not self._named(name)),
            self._example(),
            *(Row(f"Airflow's {name}", "-", reason, None) for name, reason in LEFT_OUT.items()),
        ]

    def _ours_at(self, commit: str) -> Row:
        self._clone.git("checkout", "--quiet", commit)
        subject = self._clone.git("log", "-1", "--format=%s")
        ours = self._ours(f"our-tests-{commit}")
        self._clone.git("checkout", "--quiet", "-")
        return Row(f'our tests, at "{subject}"', "-", str(ours), _good(ours), tuple(sorted(ours.failed())))

    def _ours(self, log: str) -> Results:
        return self._run(log, *(str(self._executors / name) for name in OURS))

    def _example(self) -> Row:
        check = "Airflow's tests of example DAGs, ours"
        found = self._named(EXAMPLES)
        if not found:
            return _absent(check)
        results = self._run("example-dag", *found, "-k", "fargate")
        return Row(check, "-", str(results), _good(results), tuple(sorted(results.failed())))

    def _compared(self, after: Results) -> Row:
        before = self._before or Results({})
        fresh = after.failed() - before.failed()
        lost = {n for n, o in before.outcomes.items() if o == PASSED and after.outcomes.get(n) != PASSED}
        named = [name for name in after.outcomes if "FargateExecutor" in name]
        details = [f"failed with the patch only: {name}" for name in sorted(fresh | lost)]
        details += [
            f"failed without the patch, too: {name}" for name in sorted(after.failed() & before.failed())
        ]
        details += [f"of the executor's name: {name}: {after.outcomes[name]}" for name in named]
        passed = not fresh and not lost and bool(named) and all(after.outcomes[n] == PASSED for n in named)
        check = "Airflow's tests of executors, configuration, commands"
        return Row(check, str(before), str(after), passed, tuple(details))

    def _airflows(self) -> list[str]:
        files = [str(self._executors), *(path for name in OTHERS for path in self._named(name))]
        return [*files, "-k", " and ".join(f"not {name}" for name in LEFT_OUT)]

    def _named(self, name: str) -> list[str]:
        """Return the test files of a name, wherever below the tests of Airflow itself."""
        found = sorted((self._clone.root / self._executors.parent).rglob(name))
        return [path.relative_to(self._clone.root).as_posix() for path in found]

    def _run(self, log: str, *arguments: str) -> Results:
        report = self._clone.home / f"{log}.xml"
        # Airflow's test plugin knows this, and a source distribution has none: it takes our own settings.
        own = [f"--config-file={REPOSITORY}/pyproject.toml"] if self._is_distribution else ["--with-db-init"]
        options = ["-q", "-p", "no:cacheprovider", *own, f"--junitxml={report}"]
        done = self._clone.run(log, sys.executable, "-m", "pytest", *options, *arguments)
        if not report.exists():
            raise UpstreamError(f"pytest broke off:\n{done.output[-3000:]}")
        return Results(dict(_outcomes(report)))


def _outcomes(report: Path):
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = FAILED if kinds & {"failure", "error"} else SKIPPED if "skipped" in kinds else PASSED
        yield f"{case.get('classname')}::{case.get('name')}", outcome


def _absent(check: str) -> Row:
    return Row(check, "-", "the tree has no tests of this name", None)


def _good(results: Results) -> bool:
    return PASSED in results.outcomes.values() and not results.failed()

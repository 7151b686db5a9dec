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
"""``python -m tests.fault_matrix.guards``: the table of guards, and whether each row turned red without its guard."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.fault_matrix.guards.mutant import copy, take_out
from tests.fault_matrix.guards.table import GUARDS, Guard
from tests.fault_matrix.guards.trial import run

#: How many mutants are tried at the same time; a row mostly waits.
AT_ONCE = 3


def main() -> int:
    """Return 1 where a row is red with all guards in place, or green without its guard."""
    with copy() as executors:
        print("With all guards in place ...", flush=True)
        trial = run((guard.row for guard in GUARDS), executors)
        if trial.red:
            print(f"a row is red, so that nothing can be shown:\n{trial.output}")
            return 1
        print("every row is green.\n", flush=True)
    width = max(len(guard.fault) for guard in GUARDS), max(len(guard.what) for guard in GUARDS)
    print(f"{'fault':<{width[0]}}  {'taken out':<{width[1]}}  {'row':<22}  turned red")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        green = 0
        for guard, red in zip(GUARDS, pool.map(_turns_red, GUARDS)):
            green += not red
            told = "yes" if red else "NO"
            print(f"{guard.fault:<{width[0]}}  {guard.what:<{width[1]}}  {guard.row:<22}  {told}", flush=True)
    return int(green > 0)


def _turns_red(guard: Guard) -> bool:
    with copy() as executors:
        take_out(guard, executors)
        return run([guard.row], executors).red


if __name__ == "__main__":
    sys.exit(main())

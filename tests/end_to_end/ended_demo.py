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
"""
Runs ``scripts/demo``'s own program, and sends it a signal at each of these moments, one after the other.

``ended_demo.py SIGNAL FOLDER MOMENT…``, where a moment is such as ``return subprocess.py:_execute_child 3``: the third return of
that function since the moment before. What the demo starts are programs in ``FOLDER`` that do nothing but wait, so that all of
it takes a second; once they run there is nothing more to happen. Moments after the first one are those of the end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tools.harness import demo, postgres
from tools.harness.airflow_processes import Airflow
from tools.harness.deployment import Deployment
from tools.harness.processes import wait_until
from tools.harness.releases import NEWEST, RELEASES

WAITS = "\nexec sleep 600\n"
PROGRAMS = {
    # Its last argument is the folder to be made.
    "initdb": 'for last; do :; done\nmkdir -p "$last"\n',
    "postgres": f'echo ready > "$2/postmaster.pid"{WAITS}',
    # The local Fargate.
    "python": f"""while [ "$1" != --ready-file ]; do shift; done
echo '{{"cluster": "c", "container_name": "n", "endpoint_url": "http://127.0.0.1:9", "region": "r",
"security_groups": [], "subnets": [], "task_definition": "t"}}' > "$2.new"
mv "$2.new" "$2"{WAITS}""",
    "airflow": f'[ "$1" = db ] && exit 0{WAITS}',
}


def send_at(number: signal.Signals, moments: list[str]) -> None:
    """Send this process the signal at each of the moments."""
    left = [(*moment.split()[:2], int(moment.split()[2])) for moment in moments]
    seen = 0

    def look(frame, event, _):
        nonlocal seen
        kind, function, nth = left[0]
        if f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}" != function:
            return None
        seen += event == kind
        if seen == nth:
            del left[0]
            seen = 0
            if not left:
                sys.settrace(None)
            os.kill(os.getpid(), number)
            return None
        return look

    def leave(deployment, *error):
        # A handler that raised has taken the tracer with it.
        sys.settrace(look if left else None)
        return stop(deployment, *error)

    stop, Deployment.__exit__ = Deployment.__exit__, leave
    sys.settrace(look)


def main() -> int:
    """Run the demo on programs of no use, and return its exit code."""
    number, folder, moments = signal.Signals(int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3:]
    programs = folder / "install" / "bin"
    programs.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    postgres._installed_programs = lambda: programs
    Airflow._is_well = lambda self: True
    demo.run_dags = lambda *_: wait_until(lambda: False, timeout=30, what="a signal")
    send_at(number, moments)
    return demo.demo(RELEASES[NEWEST], folder / "install", keep=False)


if __name__ == "__main__":
    sys.exit(main())

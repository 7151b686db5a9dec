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
"""A scheduler's process, to be killed: hands over what its standard input tells of, and drives the executor."""

from __future__ import annotations

import json
import logging
import sys
import time

from tests.fault_matrix.package import take_from_elsewhere

#: What begins the line that says that task instances are about to be queued; the time by this process's clock follows.
READY = "ready to queue at "
#: What it writes to its debug log, to show that this is read.
PLANTED = "planted by the process that is to be killed"
#: The job of the scheduler whose process this is.
KILLED = 1


def scheduler_name(job_id: int | None) -> str | None:
    """Return what Airflow's database would tell: a name for each job."""
    return None if job_id is None else f"job {job_id}"


def main() -> None:
    """Drive until somebody kills this process."""
    take_from_elsewhere()
    from airflow.executors.fargate.bridge import database
    from airflow.executors.fargate_executor import FargateExecutor

    from tests.fault_matrix import acts, bed, scaling, scheduler, work

    told = json.load(sys.stdin)
    acts.install_clock()
    acts.jump(told["ahead"])
    with scaling.executor_times(told["scale"]):
        executor = FargateExecutor(parallelism=bed.PARALLELISM)
        executor.job_id = KILLED
        database.scheduler_name = scheduler_name
        executor.start()
        driver = scheduler.Scheduler(executor, told["scale"])
        logging.getLogger("airflow.executors.fargate.fleet.fleet").debug(PLANTED)
        print(f"\n{READY}{time.time() + told['ahead']}", flush=True)
        driver.hand_over([work.Task(task_id, external_id=assigned) for task_id, assigned in told["tasks"]])
        while True:
            driver.beat()


if __name__ == "__main__":
    main()

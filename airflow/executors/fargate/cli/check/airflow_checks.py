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
"""Checks of ``[core] executor``, and of where the log of a task is when its container has ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow.executors.fargate.cli.check.checks import (
    ADVICE,
    FAILED,
    FROM_INSIDE,
    OK,
    UNKNOWN,
    Row,
    not_looked_at,
)
from airflow.executors.fargate.cli.check.questions import Question, question

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.check.airflow_facts import AirflowFacts
    from airflow.executors.fargate.cli.check.facts import Facts

REMOTE_LOGGING = "remote logging"
#: The environment variable of ``[logging] remote_base_log_folder``.
LOG_FOLDER = "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"
#: Shows the log of each try, and needs no storage beside CloudWatch.
OUR_LOGGING = "airflow.executors.fargate.ui.logging_config.LOGGING_CONFIG"
#: A scheme of a remote log is known to Airflow's own logging module, up to 3.4, or Airflow does not start with it.
#: That one is not; ``FargateRemoteLogIO.from_config()`` is for releases in which providers alone bring schemes.
OUR_SCHEME = "fargate://"
NO_START = "Airflow does not start with it up to 3.4"
#: S3's answers if there is no such bucket: HeadBucket's has only a status.
NO_BUCKET = ("404", "NoSuchBucket")


def check_executor(facts: Facts) -> Iterable[Row]:
    """Check that ``[core] executor`` names the FargateExecutor."""
    if facts.airflow is None:
        return
    found = f"[core] executor = {facts.airflow.executor}"
    if facts.airflow.not_fargate:
        remedy = "Set [core] executor to airflow.executors.fargate_executor.FargateExecutor"
        yield Row("executor", FAILED, f"{found}: {facts.airflow.not_fargate}", remedy)
    else:
        yield Row("executor", OK, found)


def log_questions(facts: Facts) -> Iterable[Question]:
    """Yield a question for each bucket of logs."""
    for folder in _folders(facts, facts.airflow) if facts.airflow else ():
        if bucket := _bucket(folder):
            yield _bucket_question(bucket)


def _bucket_question(bucket: str) -> Question:
    return question("s3", "HeadBucket", Bucket=bucket)


def _folders(facts: Facts, airflow: AirflowFacts) -> dict[str, str]:
    """Return where a remote folder for logs is set, by folder: the container writes to it, and it is read here."""
    here = airflow.log_folder if airflow.remote_logging else ""
    there = facts.environment.get(LOG_FOLDER) or ""
    found = {there: f"{LOG_FOLDER} of the container", here: "[logging] remote_base_log_folder here"}
    return {folder: where for folder, where in found.items() if folder}


def _bucket(folder: str) -> str:
    return folder.partition("://")[2].partition("/")[0] if folder.startswith("s3://") else ""


def check_remote_logging(facts: Facts) -> Iterable[Row]:
    """Check that the log of a task can be read after its container has ended."""
    if facts.airflow is None:
        return
    folders = _folders(facts, facts.airflow)
    for folder, where in folders.items():
        yield _check_folder(facts, folder, where)
    yield _check_reading(facts, facts.airflow, list(folders))


def _check_reading(facts: Facts, airflow: AirflowFacts, folders: list[str]) -> Row:
    """Return the row of what reads the logs here, where the API server's options are those of the scheduler."""
    check, own = "logs of ended tasks", airflow.logging_config_class
    remedy = f"Set [logging] logging_config_class = {OUR_LOGGING} for the API server"
    if own == OUR_LOGGING:
        return Row(check, OK, "read from CloudWatch")
    if own:
        return Row(check, UNKNOWN, f"[logging] logging_config_class = {own}, which was not looked at", remedy)
    if not airflow.remote_logging:
        found = "[logging] remote_logging is False here: the Logs tab shows a try only while it runs"
        return Row(check, ADVICE, found, remedy)
    if len(folders) > 1:
        found = f"read from {airflow.log_folder}, and containers write to {folders[0]}"
        return Row(check, ADVICE, found, f"Let both be the same. {remedy}")
    return Row(check, OK, f"read from {airflow.log_folder}")


def _check_folder(facts: Facts, folder: str, where: str) -> Row:
    if folder.startswith(OUR_SCHEME):
        remedy = f"Leave it out, and set [logging] logging_config_class = {OUR_LOGGING} for the API server"
        return Row(REMOTE_LOGGING, FAILED, f"{folder}, {where}: {NO_START}", remedy)
    if not (bucket := _bucket(folder)):
        return Row(REMOTE_LOGGING, UNKNOWN, f"{folder}, {where}, was not looked at: only S3 is", FROM_INSIDE)
    asked = _bucket_question(bucket)
    answer = facts.answers.get(asked)
    if answer and answer.error in NO_BUCKET:
        found = f"there is no bucket {bucket}: {where}"
        return Row(REMOTE_LOGGING, FAILED, found, "Create it, or correct the option")
    if answer is None or answer.error:
        row = not_looked_at(REMOTE_LOGGING, answer, asked.action)
        return Row(row.check, row.result, f"{folder}, {where}: {row.found}", row.remedy)
    return Row(REMOTE_LOGGING, OK, f"{folder}, {where}: the bucket exists")

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
"""What ``airflow fargate check --run`` shows: from what the probe has found, or its exit code, to rows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.cli.check import probe
from airflow.executors.fargate.cli.check.airflow_checks import NO_START, OUR_SCHEME
from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, OK, UNKNOWN, Row, ok_or_failed

if TYPE_CHECKING:
    from airflow.executors.fargate.aws.usage import Usage

#: The names of the rows.
AIRFLOW, PYTHON, MACHINE, EXECUTOR, API, DATABASE, DAGS, REMOTE_LOG = (
    f"run: {name}"
    for name in "Airflow,Python,architecture,executor,execution API,metadata database,Dags,remote log".split(
        ","
    )
)
#: The remedy if the container has ended, and the probe may not have run.
ENTRY_POINT = "Check that the image's entry point runs the container's command"
#: AWS's names of CPU architectures, by those of Linux and of Windows; others are the same.
ARCHITECTURES = {"aarch64": "arm64", "AMD64": "x86_64"}
#: Each phase of an ECS task, and the moment of its :class:`Usage` at which it ends; the next one begins there.
PHASES = {
    "provisioned": "pull_started",
    "image pulled": "pull_stopped",
    "started": "started",
    "ran": "execution_stopped",
    "stopped": "stopped",
}
_LOCAL = re.compile(r"\w+://(?:localhost|127\.[\d.]+|\[::1\])(?:[:/]|$)")
#: The option for the address, as a variable.
_API_OPTION = "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"
#: What failed, and what to do, by the error's type in Python, the first one that fits.
_CONNECTION_ERRORS = (
    ("gaierror", "its name cannot be resolved", "Correct the address in the container, or the DNS of the VPC"),
    ("SSL", "TLS fails", "Correct the certificate, or set [api] ssl_cert in the container"),
    ("timeout|TimeoutError", "no answer in time", "Check security groups, routes and network ACLs from the subnets to it"),
    ("Connection", "the connection fails", "Check that it listens at this address, and security groups"),
    ("OSError", "the connection fails", "Check the network, the subnets' routes and the address"),
    ("", "the address or its settings cannot be used", "Correct the configuration of the container"),
)  # fmt: skip


def rows_of_findings(found: Mapping[str, Any], version: str, architecture: str) -> Iterator[Row]:
    """
    Return the rows of what the probe has found.

    :param version: the scheduler's version of Airflow.
    :param architecture: of the CPU, as AWS says it for the ECS task; empty if it does not.
    """
    yield _airflow(found, version)
    yield Row(PYTHON, OK, str(found.get("python")))
    yield _machine(str(found.get("machine")), architecture)
    if "executor" in found:
        yield _executor(found["executor"])
    if "api" in found:
        yield _api(found["api"])
    if "database" in found:
        yield _database(found["database"])
    if "bundles" in found:
        yield from _dags(found["bundles"])
    if found.get("remote_log"):
        yield _remote_log(found["remote_log"])


def rows_of_exit_code(exit_code: int) -> Iterator[Row]:
    """Return the rows of what the exit code of the container says, where the probe's line cannot be read."""
    if exit_code < probe.LOOKED:
        unknown = f"not looked at: {exit_code} is not the probe's exit code"
        yield from (Row(check, UNKNOWN, unknown, ENTRY_POINT) for check in (AIRFLOW, API, DAGS))
        return
    wrong, by = exit_code - probe.LOOKED, f"by the exit code, {exit_code}"
    if wrong & probe.AIRFLOW:
        yield Row(AIRFLOW, FAILED, f"it cannot be imported, {by}", "Use an image with Airflow for its python")
        return
    for number, check, what, remedy in (
        (probe.VERSION, AIRFLOW, "another version than the scheduler's", "Use the same version in the image"),
        (probe.SERVER, API, "not reached (2.11: the metadata database)", "Check address, DNS, routes, security groups"),
        (probe.DAGS, DAGS, "a Dag bundle is missing or empty", "Put the Dags into the image, or mount them"),
        (probe.REMOTE_LOG, REMOTE_LOG, "not writable", "Check bucket, task role and the image's packages"),
    ):  # fmt: skip
        if wrong & number:
            yield Row(check, FAILED, f"{what}, {by}", remedy)
        elif check != REMOTE_LOG:  # The exit code does not say whether there is one.
            yield Row(check, OK, f"no problem, {by}")


def phases(usage: Usage, accepted: float) -> list[dict[str, str]]:
    """
    Return the seconds of each phase, and those from RunTask to its end; phases that AWS does not tell are left out.

    :param usage: what DescribeTasks says of the ECS task.
    :param accepted: seconds that RunTask took.
    """
    rows = [{"phase": "accepted", "seconds": f"{accepted:.1f}", "since_run_task": f"{accepted:.1f}"}]
    created = begin = usage.created
    for name, member in PHASES.items():
        end = getattr(usage, member)
        if created is not None and begin is not None and end is not None:
            seconds, total = end - begin, end - created + accepted
            rows.append({"phase": name, "seconds": f"{seconds:.1f}", "since_run_task": f"{total:.1f}"})
        begin = end
    return rows


def rows_of_phases(found: list[dict[str, str]]) -> list[Row]:
    """Return the phases as rows of the one document that programs read."""
    text = "{seconds} s, ended {since_run_task} s after RunTask"
    return [Row(f"phase: {one['phase']}", OK, text.format(**one)) for one in found]


def _airflow(found: Mapping[str, Any], version: str) -> Row:
    there = found.get("airflow")
    remedy = f"Use an image with Airflow {version}"
    if there is None:
        return Row(AIRFLOW, FAILED, f"it cannot be imported: {found.get('error')}", remedy)
    if there == version:
        return Row(AIRFLOW, OK, f"{there}, as the scheduler")
    is_same_line = there.split(".")[:2] == version.split(".")[:2]
    return Row(AIRFLOW, ADVICE if is_same_line else FAILED, f"{there}; the scheduler has {version}", remedy)


def _machine(machine: str, architecture: str) -> Row:
    is_same = architecture in ("", machine, ARCHITECTURES.get(machine))
    remedy = "Use an image for the runtimePlatform of the task definition"
    return ok_or_failed(is_same, MACHINE, machine if is_same else f"{machine}; AWS: {architecture}", remedy)


def _executor(found: Mapping[str, Any]) -> Row:
    if found.get("there"):
        return Row(EXECUTOR, OK, "the image has it")
    if found.get("named"):
        what = "the image does not have it, and the container's configuration names it"
        return Row(EXECUTOR, FAILED, what, "Install it in the image")
    return Row(EXECUTOR, OK, str(found.get("error") or "the image does not have it, and does not need it"))


def _api(found: Mapping[str, Any]) -> Row:
    address, status = found.get("address", ""), found.get("status")
    if "error" in found:
        return _not_reached(
            API, found, f"Set {_API_OPTION} in the task definition" if _LOCAL.match(address) else ""
        )
    what = f"{address} answers in {found.get('seconds')} s"
    if status == 200:
        return Row(API, OK, what)
    if isinstance(status, int) and status >= 500:
        return Row(
            API,
            FAILED,
            f"{what} with HTTP status {status}",
            "Check that the API server runs behind this address",
        )
    remedy = f"Check that {_API_OPTION} ends with the path of the execution API, /execution/ by default"
    return Row(API, ADVICE, f"{what}, but with HTTP status {status}", remedy)


def _database(found: Mapping[str, Any]) -> Row:
    if "error" in found:
        return _not_reached(DATABASE, found, "")
    return Row(
        DATABASE, OK, f"{found.get('address')} is reached in {found.get('seconds')} s; no login was tried"
    )


def _not_reached(check: str, found: Mapping[str, Any], remedy: str) -> Row:
    error = str(found.get("error"))
    _, what, usual = next(one for one in _CONNECTION_ERRORS if re.match(one[0], error))
    return Row(
        check,
        FAILED,
        f"{found.get('address') or 'no address'}: {what} ({error.rstrip(': ')})",
        remedy or usual,
    )


def _dags(found: Any) -> Iterator[Row]:
    if not isinstance(found, list):
        yield Row(
            DAGS,
            FAILED,
            f"the configuration cannot be read: {found.get('error')}",
            "Correct it in the container",
        )
        return
    for one in found:
        check, kind, path = f"{DAGS} {one.get('name')}", one.get("class"), one.get("path")
        if "error" in one:
            yield Row(
                check, FAILED, f"{kind}: {one['error']}", "Put into the image what the Dag bundle needs"
            )
        elif path is None:
            yield Row(check, UNKNOWN, f"{kind} is in the image; it was not fetched", "Run a task")
        else:
            files = one.get("files")
            many = f"{files} or more" if files and files >= probe.MAX_FILES else f"{files}"
            noun = "file" if files == 1 else "files"
            text = f"{path} is not a folder" if files is None else f"{path} has {many} {noun}"
            yield ok_or_failed(bool(files), check, text, "Put the Dags into the image, or mount them there")
    if not found:
        yield Row(
            DAGS, FAILED, "the container's configuration names no Dag bundle", "Correct it in the container"
        )


def _remote_log(found: Mapping[str, Any]) -> Row:
    address = found.get("address") or "its configuration"
    if "error" in found:
        remedy = "Check the bucket, s3:PutObject of the task role, and that the image has the amazon provider"
        return Row(REMOTE_LOG, FAILED, f"{address}: {found['error']}", remedy)
    if "left" in found:
        left = f"{address} is writable; an upload without parts is left there: {found['left']}"
        return Row(
            REMOTE_LOG,
            ADVICE,
            left,
            "Abort the upload of airflow-fargate-check; allow s3:AbortMultipartUpload",
        )
    if address.startswith(OUR_SCHEME):
        return Row(REMOTE_LOG, FAILED, f"{address}: {NO_START}", "Leave it out: CloudWatch has the lines")
    if found.get("untested"):
        return Row(
            REMOTE_LOG, UNKNOWN, f"{address} was not looked at: only S3 without a connection is", "Run a task"
        )
    return Row(REMOTE_LOG, OK, f"{address} is writable for the task role")

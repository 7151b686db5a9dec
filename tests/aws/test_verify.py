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
"""What verify runs, reports and deletes, in each way in which it can end."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from tools.aws.errors import DeploymentError
from tools.aws.templates import ALL
from tools.aws.verifying.task_definitions import families

from tests.aws.trial_account import ACCOUNT, ECS, Account, line, trial, verify

BEGAN, END = line("began", airflow="3.3.2", executor="1.0", python="3.12"), line("end")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the trials ``dag`` and ``words`` with a script, and return the account, exit code, print and report."""

    def run_trials(*script, prepare=lambda account: None):
        account = Account(monkeypatch, *script)
        prepare(account)
        code, printed = verify(account, "--only=dag,words", f"--report={tmp_path}/report")
        return account, code, printed, json.loads((tmp_path / "report" / "report.json").read_text())

    return run_trials


def is_clean(account):
    """Whether all is as it was before."""
    stack = account.cloudformation.stacks.get("airflow-verify", {"StackStatus": "DELETE_COMPLETE"})
    own = [f"{ECS}:task/airflow/own"]
    return (account.definitions, list(account.running), stack["StackStatus"]) == ({}, own, "DELETE_COMPLETE")


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (("as expected", "answered"), 0),
        (("not provoked", "answered"), 0),
        (("otherwise", "answered"), 1),
        (("failed", "answered"), 1),
    ],
)
def test_the_exit_code_is_that_of_the_trials(run, verdicts, code):
    """The stack, the task definitions and the ECS tasks of the trials are gone; the deployment's own stay."""
    first, second = verdicts
    account, ended, printed, report = run([BEGAN, trial("dag", first)], [trial("words", second), END])
    assert ended == code
    assert [row["verdict"] for row in report["trials"]] == [first, second]
    assert report["versions"]["airflow"] == "3.3.2"
    assert "The trial dag: that (41 s)" in printed
    assert "Nothing is left" in printed
    assert is_clean(account)


@pytest.mark.parametrize(
    ("last", "code", "failure"),
    [
        pytest.param(None, 1, "scheduler: exit code 137", id="dies"),
        pytest.param(KeyboardInterrupt(), 130, "Interrupted", id="Ctrl-C"),
        pytest.param(
            ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}, "DescribeTasks"), 1,
            "Log in again", id="error",
        ),
    ],
)  # fmt: skip
def test_what_did_not_come_is_a_row_with_the_reason(run, last, code, failure):
    """What came before is there, and the last lines of the log; all that was made is gone."""
    account, ended, _, report = run([BEGAN, trial("dag"), "ERROR - no more memory"], last)
    assert ended == code
    rows = {row["trial"]: row for row in report["trials"]}
    assert [rows["dag"]["verdict"], rows["words"]["verdict"]] == ["as expected", "did not come"]
    assert failure in rows["words"]["seen"]
    assert report["last_lines"] == ["ERROR - no more memory"]
    assert is_clean(account)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("RegisterTaskDefinition", "ClientException: no"),
        ("RunTask", "ClientException: no"),
    ],
)
def test_a_failure_before_the_first_trial_cleans_up(run, operation, words):
    account, ended, _, report = run(
        prepare=lambda account: account.refusals.update({operation: ("ClientException", "no")})
    )
    assert ended == 1
    assert words in report["failure"]
    assert [row["verdict"] for row in report["trials"]] == ["did not come"] * 2
    assert is_clean(account)


def test_a_refused_deletion_does_not_hold_up_the_rest(run):
    """What is left is said, with what to do."""
    refused = {
        "DeleteTaskDefinitions": (
            "AccessDeniedException",
            "not authorized to perform: ecs:DeleteTaskDefinitions",
        )
    }
    account, ended, printed, _ = run(
        [trial("dag"), trial("words"), END], prepare=lambda account: account.refusals.update(refused)
    )
    assert ended == 1
    assert "lacks the permission ecs:DeleteTaskDefinitions" in printed
    assert "scripts/aws/destroy" in printed
    assert account.cloudformation.stacks["airflow-verify"]["StackStatus"] == "DELETE_COMPLETE"


def test_what_an_earlier_run_has_left_goes_first(run):
    """It may be one that nobody waits for any more."""

    def leave(account):
        account.cloudformation.add("airflow-verify", "ROLLBACK_COMPLETE")
        account.running[f"{ECS}:task/airflow/old"] = f"{ECS}:task-definition/airflow-verify-trial:1"
        account.definitions[f"{ECS}:task-definition/airflow-verify-trial:1"] = "ACTIVE"

    account, ended, printed, _ = run([trial("dag"), trial("words"), END], prepare=leave)
    assert ended == 0
    assert "task/airflow/old" in printed
    assert is_clean(account)


def test_a_new_role_is_waited_for(run):
    """IAM's answers are not the same everywhere at once."""
    refusal = {"RunTask": ("ClientException", "ECS was unable to assume the role 'x' that was provided")}

    def prepare(account):
        account.refusals.update(refusal)
        sleep = account.sleep
        account.sleep = lambda seconds: (
            account.refusals.clear() if account.definitions else None,
            sleep(seconds),
        )

    account, ended, _, _ = run([trial("dag"), trial("words"), END], prepare=prepare)
    assert ended == 0
    assert [operation for operation, _ in account.calls].count("RunTask") == 2


def test_nothing_is_made_without_consent(monkeypatch, tmp_path):
    account = Account(monkeypatch)
    code, printed = verify(account, f"--report={tmp_path}/report", agrees=False)
    assert code == 1
    assert "no-capacity" in printed
    assert not (tmp_path / "report").exists()
    assert "CreateStack" not in account.cloudformation.calls
    assert {operation for operation, _ in account.calls} <= {
        "ListTasks",
        "DescribeTasks",
        "ListTaskDefinitions",
    }


@pytest.mark.parametrize(
    ("options", "change", "words"),
    [
        (["--only=dag,dogs"], {}, "--only dogs: no such trial"),
        (["--parameter=Port=1"], {}, "--parameter Port: not known"),
        ([], {"StackStatus": "ROLLBACK_COMPLETE"}, "scripts/aws/deploy --tasks-only --name airflow"),
        (
            [],
            {"Parameters": [{"ParameterKey": "DatabaseSecretArn", "ParameterValue": "arn:of-a-secret"}]},
            "need Airflow 3",
        ),
    ],
)
def test_what_cannot_be_tried_is_refused(monkeypatch, options, change, words):
    """Before anything is made."""
    account = Account(monkeypatch)
    account.cloudformation.stacks["airflow-tasks"].update(change)
    with pytest.raises(DeploymentError, match=words):
        verify(account, *options)


@pytest.mark.parametrize("name", ["DatabasePort", "ApiPort", "Mapped"])
def test_a_setting_that_is_no_number_is_refused(monkeypatch, name):
    with pytest.raises(DeploymentError, match=f"--parameter {name}=many: it must be a number"):
        verify(Account(monkeypatch), f"--parameter={name}=many")


def test_the_task_definitions_are_copies(run):
    """They have the deployment's tag, and nothing of its secrets; one holds the trials, one has an image that nobody has."""
    account, *_ = run([trial("dag"), trial("words"), END])
    made = {
        request["family"]: request
        for operation, request in account.calls
        if operation == "RegisterTaskDefinition"
    }
    assert list(made) == families("airflow")
    of_others = {
        family for template in ALL for name in ("airflow", *made) for family in template.families(name)
    }
    assert of_others.isdisjoint(made)
    assert "arn:of-a-secret" not in str(made)
    assert all(each["tags"] == [{"key": "airflow:deployment", "value": "airflow"}] for each in made.values())
    scheduler, task, broken = (each["containerDefinitions"] for each in made.values())
    assert [container["image"] for container in scheduler] == [
        "i:1",
        "public.ecr.aws/docker/library/postgres:16",
    ]
    assert task[0]["image"] == "i:1"
    assert task[0]["environment"][0] == {"name": "A", "value": "b"}
    assert broken[0]["image"].endswith("/airflow:verify-no-such-image")


def test_no_secret_is_written(run, tmp_path):
    """Neither the database's password nor the account's id, whatever the program says."""
    account = None

    def keep(of):
        nonlocal account
        account = of
        start = of.RunTask

        def run_task(*arguments, **request):
            answer = start(*arguments, **request)
            (password,) = of.secrets
            of.lines += [
                f"connected with {password}",
                trial("dag", seen=f"{password} {ECS}"),
                trial("words"),
                END,
            ]
            return answer

        of.RunTask = run_task

    run([], prepare=keep)
    (password,) = account.secrets
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "connected with ***" in written
    assert password not in written
    assert ACCOUNT not in written
    registered = [request for operation, request in account.calls if operation == "RegisterTaskDefinition"]
    assert password not in str(registered)

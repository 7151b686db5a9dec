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
"""Checks of the secrets of a task definition. Their values are never read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.cli.check.account_checks import ARN
from airflow.executors.fargate.cli.check.checks import ADVICE, FAILED, OK, UNKNOWN, Row, not_looked_at
from airflow.executors.fargate.cli.check.questions import Question, question

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.asking import Answer
    from airflow.executors.fargate.cli.check.facts import Facts

#: The parts of a secret's ARN; the JSON key, the stage and the version may follow.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
PARTS_OF_SECRET = 7


def secret_questions(facts: Facts) -> Iterable[Question]:
    """Yield a question for each secret and each parameter; the calls return names only."""
    for source in _sources(facts):
        if asked := _question(source, facts):
            yield asked


def _sources(facts: Facts) -> Mapping[str, str]:
    """Return by source what is taken from it: all containers need theirs, or the ECS task does not start."""
    found: dict[str, list[str]] = {}
    for container in facts.containers:
        log = container.get("logConfiguration") or {}
        for one in (*(container.get("secrets") or ()), *(log.get("secretOptions") or ())):
            found.setdefault(str(one.get("valueFrom")), []).append(str(one.get("name")))
        if source := (container.get("repositoryCredentials") or {}).get("credentialsParameter"):
            found.setdefault(str(source), []).append("repositoryCredentials")
    return {source: ", ".join(dict.fromkeys(names)) for source, names in found.items()}


def _question(source: str, facts: Facts) -> Question | None:
    """Return the question for a secret; None for a parameter of another account, which would not be found."""
    parts = ARN.fullmatch(source)
    if parts and parts["service"] == "secretsmanager":
        secret = ":".join(source.split(":")[:PARTS_OF_SECRET])
        return question("secretsmanager", "DescribeSecret", parts["region"], SecretId=secret)
    if parts and facts.account_id and parts["account"] != facts.account_id:
        return None
    name = parts["resource"].partition("/")[2] if parts else source
    # The ARN of the parameter /a/b ends in parameter/a/b, and that of /a as that of a in parameter/a.
    names = [name] if not parts else [f"/{name}"] if "/" in name else [name, f"/{name}"]
    named = [{"Key": "Name", "Option": "Equals", "Values": names}]
    return question("ssm", "DescribeParameters", parts["region"] if parts else None, ParameterFilters=named)


def check_secrets(facts: Facts) -> Iterable[Row]:
    """Check that each secret and each parameter exists; rows that say the same are one."""
    rows: dict[tuple[str, str], list[str]] = {}
    for source, names in _sources(facts).items():
        asked = _question(source, facts)
        result, found, remedy = _check_secret(facts, source, asked, asked and facts.answers.get(asked))
        rows.setdefault((result, remedy), []).append(f"{names}: {found}")
    for (result, remedy), texts in rows.items():
        yield Row("secrets", result, "; ".join(texts), remedy)


def _check_secret(
    facts: Facts, source: str, asked: Question | None, answer: Answer | None
) -> tuple[str, str, str]:
    """Return the result, what was found and the remedy."""
    if asked is None:
        return (
            UNKNOWN,
            f"{source}, of another account, not looked at",
            "Check that it is shared with this account",
        )
    is_parameter = asked.service == "ssm"
    if answer and answer.error == "ResourceNotFoundException" or _is_empty(answer, is_parameter):
        return FAILED, f"there is no {source}", "Create it, or correct its valueFrom in the task definition"
    if answer is None or answer.error:
        row = not_looked_at("secrets", answer, asked.action)
        return UNKNOWN, row.found, row.remedy
    if answer.response.get("DeletedDate"):
        return (
            FAILED,
            f"{source} is to be deleted, and cannot be read",
            "Restore it: aws secretsmanager restore-secret",
        )
    parts: Any = ARN.fullmatch(source)
    if parts and facts.account_id and parts["account"] != facts.account_id:
        remedy = "Check that its policy and its key's allow the execution role to read it"
        return ADVICE, f"{source}, of another account", remedy
    return OK, source, ""


def _is_empty(answer: Answer | None, is_parameter: bool) -> bool:
    return bool(answer and is_parameter and not answer.error and not answer.response.get("Parameters"))

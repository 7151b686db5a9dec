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
"""A wrong option keeps the scheduler from starting, with one message that names all of them."""

from __future__ import annotations

import pytest

from airflow.executors.fargate.config.options import NOT_SHOWN, template
from airflow.executors.fargate.errors import ConfigError
from airflow.executors.fargate_executor import FargateExecutor

from tests.bad_input.table import FUNCTIONS_AT_THE_START, OPTIONS

HEAD = "The FargateExecutor cannot start. Please correct in airflow.cfg or in the environment:\n  * "


def names(row):
    return row.given.partition(" =")[0]


def value(row):
    return row.given.partition("=")[2].strip()


def shown(row):
    """Return the option and what is shown of its value."""
    return f"{names(row)} = {'…' if names(row) in NOT_SHOWN else repr(value(row))}"


def refusal(**ignored):
    """Return the message with which the executor refuses to start; nothing but ConfigError will do."""
    with pytest.raises(ConfigError) as caught:
        FargateExecutor().start()
    return str(caught.value)


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: row.given)
def test_a_wrong_option_is_told_with_its_value_and_a_remedy(row, options, says):
    """The whole message is this one mistake."""
    options(**{names(row): value(row)})
    assert says(f"{HEAD}[fargate] {shown(row)}: {row.says}", refusal())


@pytest.mark.parametrize("row", FUNCTIONS_AT_THE_START, ids=lambda row: row.given)
def test_a_function_that_will_not_do_is_told(row, options, user_module, says):
    """Whatever the user's module or function raises or returns when the scheduler starts, it is one mistake."""
    path = user_module(row.given)
    options(execution_config_function=path)
    assert says(f"{HEAD}[fargate] execution_config_function = {path!r}: {row.says}", refusal())


def test_every_option_has_a_row():
    """No option is left out of the table; the id of a connection needs a database, and has a test below."""
    assert {names(row) for row in OPTIONS} == set(template()) - {"conn_id"}


def test_all_wrong_options_are_told_at_once(options, says):
    """One start tells everything that is wrong, each option once."""
    wrong = {names(row): row for row in OPTIONS if names(row) != "execution_config_function"}
    options(**{name: value(row) for name, row in wrong.items()})
    options(execution_config_function="math.pi")
    message = refusal()
    lines = message.splitlines()[1:]
    assert len(lines) == len(wrong) + 1
    for name, row in wrong.items():
        (line,) = (line for line in lines if line.startswith(f"  * [fargate] {name} = "))
        assert says(f"  * [fargate] {shown(row)}: {row.says}", line)


def test_a_wrong_connection_is_told_with_the_others(options, monkeypatch):
    """A connection that cannot be read is one mistake among the others, and nothing of its URI is told."""
    monkeypatch.setenv("AIRFLOW_CONN_OURS", "aws://me:hunter2@host:port/")
    options(conn_id="ours", cluster="two words")
    message = refusal()
    assert message.count("  * ") == 2
    assert "[fargate] cluster = 'two words': " in message
    assert "[fargate] conn_id = 'ours': " in message
    assert "hunter2" not in message


def test_a_lone_percent_sign_is_told(options, monkeypatch, says):
    """What Airflow's configuration cannot read at all is named, with what it takes in airflow.cfg."""
    from airflow.configuration import conf

    monkeypatch.delenv("AIRFLOW__FARGATE__CLUSTER")
    conf.read_string("[fargate]\ncluster = 50%")
    try:
        message = refusal()
    finally:
        conf.remove_option("fargate", "cluster")
    told = f"{HEAD}[fargate] cluster cannot be read: …. Correct it; in airflow.cfg write %% for %."
    assert says(told, message)
    assert message.count("  * ") == 1


def test_a_password_in_a_url_is_not_told(options):
    """Not even the message about a wrong URL shows what it holds of a password."""
    options(endpoint_url="https://me:hunter2@ecs.example.com")
    message = refusal()
    assert "[fargate] endpoint_url = 'https://...@ecs.example.com'" in message
    assert "hunter2" not in message

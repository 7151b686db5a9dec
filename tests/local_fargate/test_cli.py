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
``airflow fargate check | render | tasks | stop`` as real processes against the local Fargate.

What the documentation shows of them is what they print here.
"""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import distributions
from itertools import takewhile
from pathlib import Path

import pytest
from tools.simulator.containers.preloaded import Preloaded

from airflow.executors import executor_constants
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.fargate.cli.check.checks import MARKS
from airflow.executors.fargate.cli.rendering import members
from airflow.executors.fargate.launch import IDENTITY_VARIABLE, Launch, TaskInstanceId
from airflow.version import version

#: 3.2 and newer ask no executor for its commands: the overlay brings them, or the wheel's entry point.
ASKS_EXECUTORS = not hasattr(BaseExecutor, "pre_assigns_external_executor_id")
IS_OVERLAID = hasattr(executor_constants, "FARGATE_EXECUTOR")
IS_INSTALLED = any(found.metadata["Name"] == "airflow-fargate-executor" for found in distributions())
PAGES = Path(__file__).parents[2] / "docs" / "executor"
#: The page shows what this release prints.
IS_SHOWN = version.startswith("3.4.")
#: What is another one on each machine, each day and for each container.
CHANGES = (
    (re.compile(r"\b(subnet|sg)-[0-9a-f]{17}\b"), r"\1-of-the-machine"),
    (re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\+00:00"), "some time"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "some id"),
    (re.compile(r"\b127\.0\.0\.1:[0-9]+\b"), "127.0.0.1:N"),
    # Tests before these may have registered the family, too.
    (re.compile(r"\bairflow:[0-9]+\b"), "airflow:N"),
)
#: As cells: what the container runs, and who it is.
LONG = (".command", f"[{IDENTITY_VARIABLE}].value")

LARGE = {"overrides": {"cpu": "1024", "memory": "2048"}}
#: Right for a local stand-in, whose containers are processes of this machine.
API = {"name": "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "value": "http://localhost:8080/execution/"}
#: For Airflow 2.
DATABASE = {"name": "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "value": "postgresql://localhost/airflow"}
OF_CONTAINER = {"overrides": {"containerOverrides": [{"environment": [API, DATABASE]}]}}
BATCH = {"cluster": "batch", "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}
RUN_ID = "scheduled__2026-11-22T00:00:00+00:00"
DAG = """
try:
    from airflow.sdk import DAG, BaseOperator
except ImportError:
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG


class Load(BaseOperator):
    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part


STAGE = {"environment": [{"name": "STAGE", "value": "nightly"}]}
WISHES = {"overrides": {"memory": "4096", "containerOverrides": [STAGE]}}

with DAG("etl", schedule=None):
    Load.partial(task_id="load", queue="large", executor_config=WISHES).expand(part=["north", "south"])
"""

pytestmark = pytest.mark.skipif(
    not (ASKS_EXECUTORS or IS_OVERLAID or IS_INSTALLED),
    reason="this Airflow finds the commands by the overlay or the wheel, and has neither",
)


def words(text):
    """Return a text without what is never the same."""
    for pattern, name in CHANGES:
        text = pattern.sub(name, text)
    return text


def shown(line, which=0):
    """Return the rows of the table that a page shows for a command; a long cell goes on in rows below."""
    page = PAGES / ("fargate-check.rst" if line == "airflow fargate check" else "fargate-cli.rst")
    after = [part.splitlines() for part in page.read_text().split(f"    $ {line}\n")[1:]]
    tables = [[*takewhile(lambda one: re.match("    [^$]", one), lines)] for lines in after]
    head, line, *rest = [table for table in tables if table][which]
    edges = [3, *(place for place, sign in enumerate(line) if sign == "+"), None]
    names, *cells = [
        [row[before + 1 : edge].strip() for before, edge in zip(edges, edges[1:])] for row in (head, *rest)
    ]
    rows = []
    for row in cells:
        if row[0]:
            rows.append(row)
        else:
            rows[-1] = [f"{cell} {more}".strip() for cell, more in zip(rows[-1], row)]
    return [dict(zip(names, map(words, row))) for row in rows]


def assert_shown(line, rows, which=0):
    """Let the page show these rows for a command, but for what is never the same."""
    if not IS_SHOWN:
        return
    there = [row for row in shown(line, which) if not row.get("member", "").endswith(LONG)]
    here = [row for row in rows if not row.get("member", "").endswith(LONG)]
    assert there == [{name: words(str(cell)) for name, cell in row.items()} for row in here]


#: What the commands import; it takes seconds.
IMPORTED = ["airflow.cli.cli_parser", "airflow.executors.fargate.cli.commands", "boto3"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Airflow's home."""
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="module")
def preloaded(home):
    """Starts Airflow's command line as forks of a process that has imported what it needs."""
    started = Preloaded(IMPORTED, str(home))
    yield started
    started.close()


@pytest.fixture
def airflow(account, preloaded, home):
    """Return a function that runs ``airflow …`` and returns the exit code, what it printed as JSON, and all words."""
    options = {
        "REGION": "us-east-1",
        "CLUSTER": account.cluster,
        "TASK_DEFINITION": account.task_definition,
        "CONTAINER_NAME": account.container,
        "SUBNETS": ",".join(account.subnets),
        "SECURITY_GROUPS": ",".join(account.network["awsvpcConfiguration"]["securityGroups"]),
        "ASSIGN_PUBLIC_IP": "False",
        "QUEUES": json.dumps({"large": LARGE}),
    }
    # Tests before these may have left where their own local Fargate was.
    usual = {name: value for name, value in os.environ.items() if not name.startswith("AWS_ENDPOINT_URL")}
    environment = {
        **usual,
        **{f"AIRFLOW__FARGATE__{name}": value for name, value in options.items()},
        "AIRFLOW__CORE__EXECUTOR": "airflow.executors.fargate_executor.FargateExecutor",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        # 2.11 refuses SQLite for an executor that runs tasks in parallel, whichever it is.
        "_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK": "1",
        "AIRFLOW_HOME": str(home),
        "AWS_ENDPOINT_URL": account.fargate.endpoint_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }

    def run(*words, **options):
        more = {f"AIRFLOW__FARGATE__{name.upper()}": value for name, value in options.items()}
        with (home / "output").open("w+") as output:
            process = preloaded.start(
                ["python", "-m", "airflow", *words], str(home), {**environment, **more}, output.fileno()
            )
            code = process.wait()
            output.seek(0)
            printed = output.read()
        return code, in_json(printed), printed

    return run


def in_json(printed):
    """Return the JSON that a command has printed, among whatever else Airflow has said; None without any."""
    start = re.search(r"^[\[{](?=[\[{\"\]\n])", printed, re.MULTILINE)
    return json.JSONDecoder().raw_decode(printed[start.start() :])[0] if start else None


def start(account, task_id, map_index=-1, cpu="256", memory="512", **members):
    """Start a container as the executor does, and wait until it runs."""
    identity = Launch(TaskInstanceId("etl", task_id, RUN_ID, 1, map_index), "key").identity
    request = account.request("sleep", "600", environment={IDENTITY_VARIABLE: identity}, startedBy="airflow")
    request["overrides"] |= {"cpu": cpu, "memory": memory}
    request |= members
    if "capacityProviderStrategy" in members:
        del request["launchType"]
    [task] = account.ecs.run_task(**request)["tasks"]
    account.wait(task["taskArn"], "RUNNING", cluster=task["clusterArn"])
    return task["taskArn"]


def failed(rows):
    return [row["check"] for row in rows if row["result"] == "failed"]


def marked(rows):
    """Return rows as a table shows them."""
    return [{**row, "result": MARKS[row["result"]]} for row in rows]


def test_check(airflow):
    """A deployment that works passes with exit code 0, and a mistake makes it 1."""
    in_container = json.dumps(OF_CONTAINER)
    code, rows, told = airflow("fargate", "check", "--output", "json", run_task_kwargs=in_container)
    assert code == 0, told
    results = {row["check"]: row["result"] for row in rows}
    assert results["cluster"] == results["task definition"] == results["ecs:ListTasks"] == "ok"
    assert results["ecs:RunTask"] == "not tested"
    assert_shown("airflow fargate check", marked(rows))

    code, rows, told = airflow(
        "fargate",
        "check",
        "--output",
        "json",
        cluster="airfow",
        container_name="worker",
        run_task_kwargs=in_container,
    )
    assert code == 1, told
    assert failed(rows) == ["cluster", "container"]
    assert_shown("airflow fargate check", marked(rows), which=1)


def test_check_asks_other_services(airflow, account):
    """What the task definition names there is right if it exists, and wrong if it does not."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    client = account.fargate.client
    role = client("iam").create_role(
        RoleName="own", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )
    client("s3").create_bucket(Bucket="own-logs")
    image = client("ecr").create_repository(repositoryName="own")["repository"]["repositoryUri"]
    secret = client("secretsmanager").create_secret(Name="own", SecretString="a-value")["ARN"]
    client("ssm").put_parameter(Name="/own", Value="a-value", Type="String")

    def check(role, bucket, **container):
        folder = {"name": "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER", "value": f"s3://{bucket}/airflow"}
        main = {
            "name": account.container,
            "image": f"{image}:3",
            "environment": [API, DATABASE, folder],
            **container,
        }
        made = account.ecs.register_task_definition(
            family="own",
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            taskRoleArn=role,
            containerDefinitions=[main],
        )["taskDefinition"]
        revision = f"own:{made['revision']}"
        code, rows, told = airflow("fargate", "check", "--output", "json", task_definition=revision)
        assert rows, told
        assert "a-value" not in told
        return code, {row["check"]: (row["result"], row["found"]) for row in rows}

    own = [{"name": "A", "valueFrom": secret}, {"name": "B", "valueFrom": "/own"}]
    code, rows = check(role["Role"]["Arn"], "own-logs", secrets=own)
    names = ("task role", "secrets", "remote logging", "image")
    assert [rows[name][0] for name in names] == ["ok", "ok", "ok", "failed"], rows
    assert code == 1

    none = [{"name": "A", "valueFrom": "/none"}]
    _, rows = check("arn:aws:iam::999999999999:role/own", "no-logs", secrets=none)
    assert {rows[name][0] for name in (*names, "account")} == {"failed"}, rows


def test_tasks_and_stop(airflow, account):
    """Live containers are listed; those that match are stopped, and AWS knows by whom; the others run on."""
    account.ecs.create_cluster(clusterName="batch", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    extract = start(account, "extract")
    load = start(account, "load", 0, "512", "1024")
    elsewhere = start(account, "load", 1, "512", "1024", **BATCH)
    account.run("sleep", "600", startedBy="somebody-else")
    queues = json.dumps({"batch": BATCH})
    code, rows, told = airflow("fargate", "tasks", "--output", "json", queues=queues)
    assert code == 0, told
    assert [(row["task_id"], row["cluster"], row["ecs_task"], row["state"]) for row in rows] == [
        ("extract", "airflow", extract.rsplit("/", 1)[1], "RUNNING"),
        ("load", "airflow", load.rsplit("/", 1)[1], "RUNNING"),
        ("load", "batch", elsewhere.rsplit("/", 1)[1], "RUNNING"),
    ]
    assert_shown("airflow fargate tasks", rows)
    assert_shown("airflow fargate stop --dag-id etl --task-id load", rows[1:])

    code, _, told = airflow("fargate", "stop", "--dag-id", "etl")
    assert (code, told.splitlines()[-1][-20:]) == (1, "Nothing was stopped."), "there is nobody to answer"
    assert account.describe(load)["desiredStatus"] == "RUNNING", told

    line = ("fargate", "stop", "--dag-id", "etl", "--task-id", "load", "--yes")
    code, _, told = airflow(*line, queues=queues)
    assert code == 0, told
    for ended in (account.wait(load), account.wait(elsewhere, cluster="batch")):
        assert (ended["stopCode"], ended["stoppedReason"]) == (
            "UserInitiated",
            "Stopped with airflow fargate stop",
        )
    assert account.describe(extract)["lastStatus"] == "RUNNING"


def test_render(airflow, home):
    """The request for an instance of a mapped task, as Airflow's database knows it, with all that its Dag asks for."""
    (home / "dags").mkdir()
    (home / "dags" / "etl.py").write_text(DAG)
    for line in (("db", "migrate"), ("dags", "reserialize")):
        code, _, told = airflow(*line)
        assert code == 0, told
    code, document, told = airflow("fargate", "render", "etl", "load", "--map-index", "1", "--output", "json")
    assert code == 0, told
    request, origins = document["request"], document["from"]
    [override] = request["overrides"]["containerOverrides"]
    assert request["overrides"] == {"cpu": "1024", "memory": "4096", "containerOverrides": [override]}
    environment = {variable["name"]: variable["value"] for variable in override["environment"]}
    assert environment["STAGE"] == "nightly"
    identity = json.loads(environment[IDENTITY_VARIABLE])
    assert (identity["dag_id"], identity["task_id"], identity["map_index"]) == ("etl", "load", 1)
    command = json.dumps(override["command"])
    assert ("execute_workload" in command) is hasattr(BaseExecutor, "queue_workload")
    assert "etl" in command
    assert "token-" not in told
    assert origins["overrides.memory"] == "executor_config"
    assert origins["overrides.cpu"] == "[fargate] queues: large"
    rows = [
        {
            "member": path,
            "value": value if isinstance(value, str) else json.dumps(value),
            "from": origins[path],
        }
        for path, value in members(request)
    ]
    assert_shown("airflow fargate render etl load --map-index 1", rows)

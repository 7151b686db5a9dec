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
Bad input, and the message for it: one table, which the tests run and the documentation shows.

A row's ``given`` is what a user writes: options as ``name = value``, the body of a function, or a Python expression. Its
``says`` is the whole message; ``…`` stands for what differs from machine to machine.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The source of a function of ``execution_config_function``. Only the bad task reaches the body.
FUNCTION = """
from airflow.executors.fargate_executor import default_task_id_to_fargate_options_function

def function():
    from_options = default_task_id_to_fargate_options_function()

    def to_request(command):
        request = from_options(command)
        container = request["overrides"]["containerOverrides"][0]
        if any("the_bad_one" in word for word in command):
            {body}
        return request

    return to_request
"""


@dataclass(frozen=True)
class Row:
    """One bad input."""

    given: str
    says: str


def rows(table: dict[str, str]) -> list[Row]:
    """Return the rows of a table that is written as a dict, which is easier to read."""
    return [Row(given, says) for given, says in table.items()]


_NUMBER = "it is not {} from {} to {}. Choose one in that range."
_FUNCTION = "Name a function without arguments that returns a function from a command to a request."
_SERVICE = "it is not the URL of a service. Write it with http:// or https://, without a user or a password, or leave it empty."
_BOOLEAN = "it is not a boolean. Write True or False, or ENABLED or DISABLED."
_STRATEGY = "it is not a list of capacity providers. Write names with their weights, such as FARGATE_SPOT:4,FARGATE:1."
_NO_JSON = "it is not JSON"

#: Wrong options: the scheduler does not start. The message follows ``[fargate] name = 'value': ``, or
#: ``[fargate] name = …: `` if the value may contain a password.
OPTIONS = rows(
    {
        "region = eu_west_1": "it is not the code of an AWS Region. Set it to the code of an AWS Region.",
        "region = us-east-1a": "it is an Availability Zone, not a Region. Set it to us-east-1.",
        "region = US-EAST-1": "the code of a Region has no capitals. Set it to us-east-1.",
        "cluster =": "it is required and not set. Set it, for example to airflow.",
        "cluster = arn:aws:ecs:eu-west-1:123456789012:cluster/airflow": "it is in eu-west-1, and the Region is us-east-1. "
        "Correct it, or region.",
        "cluster = two words": "it is not the name or the ARN of an ECS cluster. "
        "Set it to the name or the ARN of an ECS cluster.",
        "task_definition =": "it is required and not set. Set it, for example to airflow-task:3.",
        "task_definition = arn:aws:ecs:eu-west-1:123456789012:task-definition/airflow-task:3": "it is in eu-west-1, and the "
        "Region is us-east-1. Correct it, or region.",
        "task_definition = airflow:latest": "it is not a family, family:revision or the ARN of a task definition. "
        "Set it to a family, family:revision or the ARN of a task definition.",
        "container_name =": "it is required and not set. Set it, for example to airflow.",
        "container_name = air.flow": "it is not the name of a container in the task definition. "
        "Set it to the name of a container in the task definition.",
        "security_groups = default": "default is not an id. Write ids such as sg-0123456789abcdef0.",
        "security_groups = sg-1,sg-2,sg-3,sg-4,sg-5,sg-6": "6 ids. AWS takes at most 5.",
        "subnets =": "it is required and not set. "
        "Set it, for example to subnet-0123456789abcdef0,subnet-0fedcba9876543210.",
        "subnets = subnet-1;subnet-2": "subnet-1;subnet-2 is not an id. Write ids such as subnet-0123456789abcdef0.",
        "platform_version = newest": "it is not LATEST or a number such as 1.4.0. "
        "Set it to LATEST or a number such as 1.4.0.",
        "launch_type = LAMBDA": "no such choice. Choose one of …, ECS.",
        "assign_public_ip = maybe": _BOOLEAN,
        "capacity_provider_strategy = FARGATE SPOT": _STRATEGY,
        "capacity_provider_strategy = FARGATE:1,my-instances:1": "capacityProviderStrategy mixes FARGATE or "
        "FARGATE_SPOT with other capacity providers. Correct it.",
        "capacity_provider_strategy = FARGATE:0,FARGATE_SPOT:0": "capacityProviderStrategy has several capacity providers, "
        "and none has a weight. Correct it.",
        'capacity_provider_strategy = [{"capacityProvider": "FARGATE", "weight": 1001}]': "capacityProviderStrategy[0].weight "
        "is over the limit of 1000. Correct it.",
        "capacity_provider_fallback = FARGATE;FARGATE_SPOT": _STRATEGY,
        "capacity_provider_fallback = FARGATE:1:1,FARGATE_SPOT:1:1": "capacityProviderStrategy has more than one base. "
        "Correct it.",
        "ephemeral_storage = 20": _NUMBER.format("a whole number", 21, 200),
        "enable_execute_command = maybe": _BOOLEAN,
        "tag_tasks = perhaps": _BOOLEAN,
        "tags = team=data": f"{_NO_JSON}: …. Correct it, or leave it empty.",
        "tags = data": f"{_NO_JSON}: …. Correct it, or leave it empty.",
        'tags = "data"': 'it is a str, not a JSON object. Write names with values, such as {"team": "data"}.',
        'tags = {"team": 1}': "Invalid type for parameter tags[0].value, valid types: <class 'str'>. Correct it.",
        'tags = {"aws:team": "data"}': "tags has a key or a value that starts with aws:, which AWS reserves. "
        "Correct it.",
        "propagate_tags = SERVICE": "no such choice. Choose one of TASK_DEFINITION, NONE.",
        "run_task_kwargs = {'group': 'a'}": f"{_NO_JSON}: …. Correct it, or leave it empty.",
        'run_task_kwargs = ["group"]': "it is a list, not a JSON object. Write it within braces.",
        'run_task_kwargs = {"group": "a", "group": "b"}': f"{_NO_JSON}: 'group' occurs twice. "
        "Correct it, or leave it empty.",
        'run_task_kwargs = {"startedBy": "me"}': "it sets startedBy, which the executor sets itself. Leave it out.",
        'run_task_kwargs = {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}': (
            "launchType and capacityProviderStrategy exclude each other. Correct it."
        ),
        'run_task_kwargs = {"overrides": {"memory": "1000"}}': "overrides: Fargate has no memory of '1000'; the nearest with "
        "as much are 1024 and 2048 MiB. Correct it.",
        'run_task_kwargs = {"cpu": "1024"}': 'cpu belongs in overrides: write {"overrides": {"cpu": ...}}. Correct it.',
        'run_task_kwargs = {"environment": []}': "environment belongs in the override of a container: write "
        '{"overrides": {"containerOverrides": [{"environment": ...}]}}. Correct it.',
        "queues = large": f"{_NO_JSON}: …. Correct it, or leave it empty.",
        'queues = {"large": {}, "large": {"group": "a"}}': f"{_NO_JSON}: 'large' occurs twice. "
        "Correct it, or leave it empty.",
        'queues = {"large": ["4096"]}': "queue 'large': it is a list, not a JSON object. Correct it.",
        'queues = {"large": {"overrides": {"cpu": 4096}}}': "queue 'large': Invalid type for parameter overrides.cpu, "
        "valid types: <class 'str'>. Correct it.",
        'queues = {"large": {"overrides": {"cpus": "4"}}}': "queue 'large': Unknown parameter in overrides: \"cpus\", "
        "must be one of: …. Correct it.",
        'queues = {"large": {"overrides": {"cpu": "4096", "memory": "65536"}}}': "queue 'large': overrides: Fargate has no cpu "
        "of '4096' with a memory of '65536'; the nearest with as much are …. Correct it.",
        'queues = {"large": {"clientToken": "mine"}}': "queue 'large': it sets clientToken, which the executor sets itself. "
        "Leave it out.",
        'queues = {"large": {"count": 2}}': "queue 'large': it sets count, which the executor sets itself. Leave it out.",
        'queues = {"large": {"overrides": {"containerOverrides": [{"command": ["rm"]}]}}}': "queue 'large': it sets the "
        "command of container 'airflow', which is Airflow's. Leave it out.",
        'queues = {"spot": {"launchType": "FARGATE_SPOT"}}': "queue 'spot': launchType is not one of …. Correct it.",
        "deployment = team a": "it is not at most 128 letters, digits, hyphens, slashes and underscores. "
        "Set it to at most 128 letters, digits, hyphens, slashes and underscores.",
        "endpoint_url = localhost:5000": _SERVICE,
        "max_launch_attempts = 0": _NUMBER.format("a whole number", 1, 10),
        "launch_concurrency = 1000": _NUMBER.format("a whole number", 1, 128),
        "poll_interval = nan": _NUMBER.format("a number", 0.1, 300),
        "launch_rate = fast": _NUMBER.format("a number", 0.1, 1000),
        "launch_burst = 1.5": _NUMBER.format("a whole number", 1, 10000),
        "describe_rate = -1": _NUMBER.format("a number", 0.1, 1000),
        "execution_config_function = function": f"it cannot be imported: ValueError: Empty module name. {_FUNCTION}",
        "execution_config_function = no_such_module.function": "it cannot be imported: "
        f"ModuleNotFoundError: No module named 'no_such_module'. {_FUNCTION}",
        "execution_config_function = math.no_such_function": "it cannot be imported: "
        f"AttributeError: module 'math' has no attribute 'no_such_function'. {_FUNCTION}",
        "execution_config_function = math.pi": f"it is a float, not a function. {_FUNCTION}",
        "execution_config_function = math.sqrt": f"calling it raised TypeError: …. {_FUNCTION}",
        "execution_config_function = time.time": f"it returned a float, which cannot be called. {_FUNCTION}",
    }
)

#: Modules of ``execution_config_function`` that fail when the scheduler starts, so that it does not start.
FUNCTIONS_AT_THE_START = rows(
    {
        "raise RuntimeError('no luck')": f"it cannot be imported: RuntimeError: no luck. {_FUNCTION}",
        "raise SystemExit(3)": f"it cannot be imported: SystemExit: 3. {_FUNCTION}",
        "def function(:": f"it cannot be imported: SyntaxError: …. {_FUNCTION}",
        "def function(): raise SystemExit(3)": f"calling it raised SystemExit: 3. {_FUNCTION}",
        "def function(): raise GeneratorExit": f"calling it raised GeneratorExit: . {_FUNCTION}",
        "def function(): return function()": f"calling it raised RecursionError: …. {_FUNCTION}",
        "def function(): return None": f"it returned a NoneType, which cannot be called. {_FUNCTION}",
    }
)

_OF_FUNCTION = "the function of execution_config_function"
_AWS = "AWS would refuse the run_task request: "
_CORRECT_FUNCTION = "Correct the function that [fargate] execution_config_function names."
_CORRECT_TASK = "Correct the executor_config of the task."
_DICT = "valid types: <class 'dict'>"
_KUBERNETES = 'is for the KubernetesExecutor: write run_task members, such as {"overrides": {"cpu": "1024", "memory": "2048"}}'

#: What the function does for one task. Only this task fails.
FUNCTIONS = rows(
    {
        "raise ValueError(command)": f"{_OF_FUNCTION} raised ValueError in …, line 11. {_CORRECT_FUNCTION}",
        "raise SystemExit(1)": f"{_OF_FUNCTION} raised SystemExit in …, line 11. {_CORRECT_FUNCTION}",
        "raise KeyboardInterrupt": f"{_OF_FUNCTION} raised KeyboardInterrupt in …, line 11. {_CORRECT_FUNCTION}",
        "raise GeneratorExit": f"{_OF_FUNCTION} raised GeneratorExit in …, line 11. {_CORRECT_FUNCTION}",
        "return to_request(command)": f"{_OF_FUNCTION} raised RecursionError in …. {_CORRECT_FUNCTION}",
        "return None": f"{_OF_FUNCTION} returned a NoneType; it must return a dict.",
        "return 'run'": f"{_OF_FUNCTION} returned a str; it must return a dict.",
        "return [request]": f"{_OF_FUNCTION} returned a list; it must return a dict.",
        "request['self'] = request": "the request of execution_config_function cannot be copied: RecursionError. "
        "Use plain dicts, lists, strings and numbers.",
        "request['clientToken'] = 'mine'": f"{_OF_FUNCTION} sets clientToken, which the executor sets itself; leave it out.",
        "request['startedBy'] = 'me'": f"{_OF_FUNCTION} sets startedBy, which the executor sets itself; leave it out.",
        "request['count'] = 2": f"{_OF_FUNCTION} sets count; one launch is one ECS task: leave it out.",
        "del request['taskDefinition']": f'{_AWS}Missing required parameter in input: "taskDefinition". {_CORRECT_FUNCTION}',
        "request['taskdefinition'] = 'a:1'": f'{_AWS}Unknown parameter in input: "taskdefinition", must be one of: …. '
        f"{_CORRECT_FUNCTION}",
        "request['cluster'] = 7": f"{_AWS}Invalid type for parameter cluster, valid types: <class 'str'>. {_CORRECT_FUNCTION}",
        "request['launchType'] = 'LAMBDA'": f"{_AWS}launchType is not one of …. {_CORRECT_FUNCTION}",
        "request['propagateTags'] = 'SERVICE'": f"{_AWS}propagateTags is not one of TASK_DEFINITION, NONE. "
        f"{_CORRECT_FUNCTION}",
        "request['tags'] = [{'key': str(n), 'value': ''} for n in range(51)]": f"{_AWS}tags is longer than 50. "
        f"{_CORRECT_FUNCTION}",
        "request['overrides'] = command": f"the request does not fit together: overrides is a list in one part and a dict in another. {_CORRECT_FUNCTION}",
        "container['command'] = 'run'": f"{_AWS}Invalid type for parameter overrides.containerOverrides[0].command, valid types: <class 'list'>, <class 'tuple'>. {_CORRECT_FUNCTION}",
        "container['name'] = 'two words'": f"{_AWS}overrides.containerOverrides has an item without a valid name. {_CORRECT_FUNCTION}",
        "container['name'] = 'none-of-ours'": "AWS refused to launch an ECS task. An override names a container that the task definition does not have (AWS: InvalidParameterException: Override for container named none-of-ours is not a container in the TaskDefinition). Correct the name in the executor_config of the task, or [fargate] container_name.",
    }
)

#: ``executor_config`` of one task. Only this task fails.
WISHES = rows(
    {
        "{'startedBy': 'me'}": "executor_config sets startedBy, which the executor sets itself; leave it out.",
        "{'clientToken': 'mine'}": "executor_config sets clientToken, which the executor sets itself; leave it out.",
        "{'count': 2}": "executor_config sets count, which the executor sets itself; leave it out.",
        "{'KubernetesExecutor': {'image': 'mine'}}": f"{_AWS}KubernetesExecutor {_KUBERNETES}. {_CORRECT_TASK}",
        "{'pod_override': object()}": f"{_AWS}pod_override {_KUBERNETES}. {_CORRECT_TASK}",
        "{'cpu': '1024'}": f'{_AWS}cpu belongs in overrides: write {{"overrides": {{"cpu": ...}}}}. {_CORRECT_TASK}',
        "{'memory': '2048'}": f'{_AWS}memory belongs in overrides: write {{"overrides": {{"memory": ...}}}}. {_CORRECT_TASK}',
        "{'environment': [{'name': 'MODE', 'value': 'fast'}]}": f'{_AWS}environment belongs in the override of a container: write {{"overrides": {{"containerOverrides": [{{"environment": ...}}]}}}}. {_CORRECT_TASK}',
        "{'propagateTags': 'ALL'}": f"{_AWS}propagateTags is not one of TASK_DEFINITION, NONE. {_CORRECT_TASK}",
        "{1: 2}": f'{_AWS}Unknown parameter in input: "1", must be one of: …. {_CORRECT_TASK}',
        "{'overrides': {('cpu',): '256'}}": f"{_AWS}Unknown parameter in overrides: \"('cpu',)\", must be one of: …. {_CORRECT_TASK}",
        "{None: None}": f'{_AWS}Unknown parameter in input: "None", must be one of: …. {_CORRECT_TASK}',
        "{'overrides': None}": f"executor_config does not fit the request: overrides is a dict in one part and a NoneType in another. {_CORRECT_TASK}",
        "{'overrides': 'cpu=256'}": f"executor_config does not fit the request: overrides is a dict in one part and a str in another. {_CORRECT_TASK}",
        "{'overrides': [{'cpu': '256'}]}": f"executor_config does not fit the request: overrides is a dict in one part and a list in another. {_CORRECT_TASK}",
        "{'overrides': {'cpu': 256}}": f"{_AWS}Invalid type for parameter overrides.cpu, valid types: <class 'str'>. {_CORRECT_TASK}",
        "{'overrides': {'memory': '2 GB', 'cpus': '1'}}": f'{_AWS}Unknown parameter in overrides: "cpus", must be one of: …. {_CORRECT_TASK}',
        "{'overrides': {'cpu': '1 vCPU', 'memory': '16 GB'}}": f"{_AWS}overrides: Fargate has no cpu of '1 vCPU' with a memory of '16 GB'; the nearest with as much are 2048 CPU units with 16384 MiB and 4096 CPU units with 16384 MiB. {_CORRECT_TASK}",
        "{'overrides': {'cpu': '1000'}}": f"{_AWS}overrides: Fargate has no cpu of '1000'; the nearest with as much are 1024 and 2048 CPU units. {_CORRECT_TASK}",
        "{'overrides': {'memory': 'much'}}": f"{_AWS}overrides: memory is not a size: write MiB such as 2048, or 2 GB. {_CORRECT_TASK}",
        "{'overrides': {'ephemeralStorage': {'sizeInGiB': 20}}}": f"{_AWS}overrides.ephemeralStorage.sizeInGiB is not in 21 to 200. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': {'name': 'airflow'}}}": f"executor_config does not fit the request: containerOverrides is a list in one part and a dict in another. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': ['airflow']}}": f"{_AWS}Invalid type for parameter overrides.containerOverrides[1], valid types: <class 'dict'>. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': [{'name': None}]}}": f"{_AWS}Invalid type for parameter overrides.containerOverrides[1].name, valid types: <class 'str'>. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': [{'command': ['rm']}]}}": "executor_config sets the command of container 'airflow', which is Airflow's; leave it out.",
        "{'overrides': {'containerOverrides': [{'name': 'two words'}]}}": f"{_AWS}overrides.containerOverrides has an item without a valid name. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': [{'name': 'none-of-ours'}]}}": "AWS refused to launch an ECS task. An override names a container that the task definition does not have (AWS: InvalidParameterException: Override for container named none-of-ours is not a container in the TaskDefinition). Correct the name in the executor_config of the task, or [fargate] container_name.",
        "{'overrides': {'containerOverrides': [{'environment': {'MODE': 'fast'}}]}}": f"the request does not fit together: environment is a dict in one part and a list in another. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': [{'environment': [{'name': 'N', 'value': 1}]}]}}": f"{_AWS}Invalid type for parameter overrides.containerOverrides[0].environment[0].value, valid types: <class 'str'>. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': [{'environment': [{'name': 'N', 'value': 'x' * 200_000}]}]}}": f"{_AWS}overrides has … characters of JSON, AWS accepts at most 8192; make it smaller. {_CORRECT_TASK}",
        "{'overrides': {'containerOverrides': [{'memory': 2**40}]}}": f"{_AWS}overrides.containerOverrides[0].memory is over the limit of 2147483647. {_CORRECT_TASK}",
        "{'x' * 200_000: 1}": f'{_AWS}Unknown parameter in input: "xxx…. {_CORRECT_TASK}',
        "{'tags': {'team': 'data'}}": f"{_AWS}Invalid type for parameter tags, valid types: <class 'list'>, <class 'tuple'>. {_CORRECT_TASK}",
        "{'tags': [{'key': 'aws:team', 'value': 'data'}]}": f"{_AWS}tags has a key or a value that starts with aws:, which AWS reserves. {_CORRECT_TASK}",
        "{'tags': [{'key': 'team?', 'value': 'data'}]}": f"{_AWS}tags has a key or a value with characters other than letters, numbers, spaces and _.:/=+-@. {_CORRECT_TASK}",
        "{'tags': [{'key': f'k{n}', 'value': ''} for n in range(51)]}": f"{_AWS}tags is longer than 50. {_CORRECT_TASK}",
        "{'launchType': 'fargate'}": f"{_AWS}launchType is not one of …. {_CORRECT_TASK}",
        "{'launchType': 'FARGATE', 'capacityProviderStrategy': [{'capacityProvider': 'FARGATE_SPOT'}]}": f"{_AWS}launchType and capacityProviderStrategy exclude each other. {_CORRECT_TASK}",
        "{'capacityProviderStrategy': [{'capacityProvider': 'FARGATE_SPOT', 'weight': 1001}]}": f"{_AWS}capacityProviderStrategy[0].weight is over the limit of 1000. {_CORRECT_TASK}",
        "{'networkConfiguration': {'awsvpcConfiguration': {'subnets': []}}}": f"{_AWS}networkConfiguration.awsvpcConfiguration.subnets must have 1 to 16 ids. {_CORRECT_TASK}",
        "{'networkConfiguration': {'awsvpcConfiguration': {'subnets': 'subnet-1'}}}": f"executor_config does not fit the request: subnets is a list in one part and a str in another. {_CORRECT_TASK}",
        "{'enableExecuteCommand': 'yes'}": f"{_AWS}Invalid type for parameter enableExecuteCommand, valid types: <class 'bool'>. {_CORRECT_TASK}",
        "{'group': float('nan')}": f"{_AWS}Invalid type for parameter group, valid types: <class 'str'>. {_CORRECT_TASK}",
        "{'group': {1, 2}}": f"{_AWS}Invalid type for parameter group, valid types: <class 'str'>. {_CORRECT_TASK}",
        "{'group': b'bytes'}": f"{_AWS}Invalid type for parameter group, valid types: <class 'str'>. {_CORRECT_TASK}",
        "{'group': threading.Lock()}": "executor_config cannot be copied: TypeError. Use plain dicts, lists, strings and numbers.",
        "{'group': datetime.now()}": f"{_AWS}Invalid type for parameter group, valid types: <class 'str'>. {_CORRECT_TASK}",
        "cyclic()": "executor_config cannot be copied: RecursionError. Use plain dicts, lists, strings and numbers.",
    }
)

#: ``executor_config`` that is not a dict. From 3.0 on Airflow makes no workload from it, and its scheduler ends.
NO_DICTS = rows(
    {
        "'big'": "executor_config is a str; it must be a dict of run_task members.",
        "['big']": "executor_config is a list; it must be a dict of run_task members.",
        "42": "executor_config is a int; it must be a dict of run_task members.",
        "True": "executor_config is a bool; it must be a dict of run_task members.",
    }
)

#: Unusual ids and commands that are valid: these tasks run like any other.
ODD_IDS = rows(
    {
        "dag_id = 'dag-ünïcödé.データ'": "It runs.",
        "task_id = '任务_ملف_ა'": "It runs.",
        "dag_id = '𐌀' * 250": "It runs.",
        "task_id = 'group.' + 't' * 244": "It runs.",
        "task_id = 'ends_with_a_line_break\\n'": "It runs.",
        """run_id = 'manual \\'quoted\\' "twice" \\\\ back, new\\nline, tab\\t, nul \\x01'""": "It runs.",
        "run_id = 'scheduled__2026-11-22T00:00:00+00:00 😀'": "It runs.",
        "run_id = '\\u202e' + 'r' * 200": "It runs.",
        "map_index = 2**31 - 1": "It runs.",
    }
)

#: Tasks whose command has 10 KB. AWS takes overrides of 8192 characters, including the command.
LONG_COMMANDS = rows(
    {
        "'d' * 10_000": f"{_AWS}overrides has … characters of JSON, AWS accepts at most 8192; make it smaller. "
        "Airflow's command alone has … characters: shorten the paths and names in it.",
        "'ä' * 10_000": f"{_AWS}overrides has … characters of JSON, AWS accepts at most 8192; make it smaller. "
        "Airflow's command alone has … characters: shorten the paths and names in it.",
    }
)

#: Input that Airflow refuses when it reads the DAG file, so that it never reaches an executor; with its message.
REFUSED_BY_AIRFLOW = rows(
    {
        "executor_config = cyclic()": "maximum recursion depth exceeded",
        "executor_config = deep(5000)": "maximum recursion depth exceeded",
        "executor_config = {'group': Shy()}": "not to be shown",
        "task_id = 'two words'": "has to be made of alphanumeric characters, dashes, dots",
        "task_id = 'a/b'": "has to be made of alphanumeric characters, dashes, dots",
        "task_id = 't' * 251": "250 characters",
        "dag_id = 'd?'": "has to be made of alphanumeric characters, dashes, dots",
    }
)
#: Input that Airflow changes when it stores the DAG. The executor receives the value on the right.
CHANGED_BY_AIRFLOW = rows(
    {
        "{1: 2}": "{'1': 2}",
        "{('a', 'b'): 1}": "{\"('a', 'b')\": 1}",
        "{None: 1}": "{'None': 1}",
        "{'group': b'bytes'}": "{'group': \"b'bytes'\"}",
    }
)

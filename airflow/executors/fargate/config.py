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
"""The options of ``[fargate]``, read once into a typed object; every mistake is told in one go."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from airflow.executors.fargate.errors import ConfigError

#: The ``[fargate]`` section in the schema of Airflow's config.yml.
CONFIG_TEMPLATE = Path(__file__).parents[2] / "config_templates" / "fargate.yml"
SECTION = "fargate"
DEFAULT_FUNCTION = "airflow.executors.fargate_executor.default_task_id_to_fargate_options_function"

#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
MAX_SUBNETS = 16
MAX_SECURITY_GROUPS = 5
#: Characters of ``overrides``, the JSON included: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MAX_OVERRIDES = 8192
#: What botocore takes for a Region: https://github.com/boto/botocore/blob/develop/botocore/utils.py
REGION = re.compile(r"(?!\d+$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
#: What botocore takes for the host of an endpoint, which leaves out underscores; or an IPv6 address.
HOST = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.?)+|[0-9a-f.]*:[0-9a-f:.]*")
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCluster.html
CLUSTER = re.compile(
    r"[A-Za-z0-9_-]{1,255}|arn:aws[a-z-]*:ecs:[^:\s]+:[0-9]{12}:cluster/[A-Za-z0-9_-]{1,255}"
)
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
TASK_DEFINITION = re.compile(
    r"(?:arn:aws[a-z-]*:ecs:[^:\s]+:[0-9]{12}:task-definition/)?[A-Za-z0-9_-]{1,255}(?::[0-9]+)?"
)
#: ``startedBy``: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
STARTED_BY = re.compile(r"[A-Za-z0-9_/-]{1,128}")
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
CONTAINER_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/platform-fargate.html
PLATFORM_VERSION = re.compile(r"LATEST|[0-9]+\.[0-9]+\.[0-9]+")
#: What a URL holds of a user and a password, which are shown to nobody.
WITHOUT_USER = re.compile(r"://.*@")

#: The proposal, AIRFLOW-6440, wrote ECS for what AWS calls EC2.
LAUNCH_TYPE_ALIASES = {"ECS": "EC2"}
ASSIGN_PUBLIC_IP = {"ENABLED": "ENABLED", "DISABLED": "DISABLED", "TRUE": "ENABLED", "FALSE": "DISABLED"}

#: A function from an Airflow command to a ``run_task`` request.
CommandToRequest = Callable[[list[str]], dict[str, Any]]


@lru_cache(maxsize=1)
def template() -> Mapping[str, Mapping[str, Any]]:
    """Return the options of ``[fargate]`` by name, each with ``description``, ``default`` and so on."""
    section = yaml.safe_load(CONFIG_TEMPLATE.read_text(encoding="utf-8"))[SECTION]
    options: Mapping[str, Mapping[str, Any]] = section["options"]
    return options


@dataclass(frozen=True)
class FargateConfig:
    """The options of ``[fargate]``; their meaning stands in ``config_templates/fargate.yml``."""

    region: str | None
    cluster: str
    task_definition: str | None
    container_name: str | None
    security_groups: tuple[str, ...]
    subnets: tuple[str, ...]
    platform_version: str
    #: None leaves the choice to the cluster's default capacity provider strategy.
    launch_type: str | None
    #: ENABLED or DISABLED, as AWS writes it.
    assign_public_ip: str
    #: What the function that ``execution_config_function`` names returned; None where it was not called.
    command_to_request: CommandToRequest | None
    deployment: str
    conn_id: str | None
    endpoint_url: str | None
    max_launch_attempts: int
    launch_concurrency: int
    #: Seconds.
    poll_interval: float
    #: Calls a second, and at once.
    launch_rate: float
    launch_burst: int
    describe_rate: float

    @classmethod
    def from_options(
        cls,
        get: Callable[[str], str | None],
        launch_types: Collection[str],
        call_function: bool = True,
        default_region: Callable[[], str | None] | None = None,
        check_connection: Callable[[str], Any] | None = None,
    ) -> FargateConfig:
        """
        Parse and check all options.

        :param get: returns the text of an option by its name, or None where it is not set.
        :param launch_types: the launch types that the installed botocore lists for ``RunTask``.
        :param call_function: whether to call ``execution_config_function``; the default function, which
            reads the options itself, says no.
        :param default_region: returns the Region that is taken where the option is empty; None leaves out
            whether there is one.
        :param check_connection: raises ConfigError where there is no connection of this id.
        :raises ConfigError: with every mistake that there is.
        """
        options = _Options(get)
        function_path = options.text("execution_config_function") or DEFAULT_FUNCTION
        own_function = function_path != DEFAULT_FUNCTION
        launch_type = options.choice(
            "launch_type", {**{t: t for t in launch_types}, **LAUNCH_TYPE_ALIASES}, None
        )
        needs_subnets = launch_type == "FARGATE" and not own_function
        config = cls(
            region=options.matching("region", REGION, "the code of an AWS Region"),
            cluster=options.matching(
                "cluster", CLUSTER, "the name or the ARN of an ECS cluster", required=True
            ),
            task_definition=options.matching(
                "task_definition",
                TASK_DEFINITION,
                "a family, family:revision or the ARN of a task definition",
                required=not own_function,
            ),
            container_name=options.matching(
                "container_name",
                CONTAINER_NAME,
                "the name of a container in the task definition",
                required=not own_function,
            ),
            security_groups=options.ids("security_groups", "sg-", MAX_SECURITY_GROUPS, required=False),
            subnets=options.ids("subnets", "subnet-", MAX_SUBNETS, required=needs_subnets),
            platform_version=options.matching(
                "platform_version", PLATFORM_VERSION, "LATEST or a number such as 1.4.0"
            )
            or options.default("platform_version"),
            launch_type=launch_type,
            assign_public_ip=options.choice(
                "assign_public_ip", ASSIGN_PUBLIC_IP, options.default("assign_public_ip")
            ),
            deployment=options.matching(
                "deployment",
                STARTED_BY,
                "at most 128 letters, digits, hyphens, slashes and underscores",
                required=True,
            ),
            conn_id=options.text("conn_id"),
            endpoint_url=options.url("endpoint_url"),
            max_launch_attempts=int(options.number("max_launch_attempts", int, 1, 10)),
            launch_concurrency=int(options.number("launch_concurrency", int, 1, 128)),
            poll_interval=options.number("poll_interval", float, 0.1, 300.0),
            launch_rate=options.number("launch_rate", float, 0.1, 1000.0),
            launch_burst=int(options.number("launch_burst", int, 1, 10_000)),
            describe_rate=options.number("describe_rate", float, 0.1, 1000.0),
            command_to_request=options.function("execution_config_function", function_path, call_function),
        )
        if default_region and not config.region and not config.conn_id:
            options.check_region(default_region)
        if check_connection and config.conn_id:
            options.check_connection(check_connection, config.conn_id)
        if options.mistakes:
            raise ConfigError(options.mistakes)
        return config


class _Options:
    """Reads options one by one, and collects what is wrong with them instead of raising at the first."""

    def __init__(self, get: Callable[[str], str | None]) -> None:
        self.mistakes: list[str] = []
        self._values = {name: self._read(get, name) for name in template()}

    def _read(self, get: Callable[[str], str | None], name: str) -> str:
        """Return the text of an option; where it cannot be read, that is the mistake, and its default is no other."""
        try:
            return (get(name) or "").strip()
        except Exception as error:  # A lone % in airflow.cfg, a command or a secrets backend that fails.
            # Only the type: the text can hold what a secret was to be made of.
            self.mistakes.append(
                f"[{SECTION}] {name} cannot be read: {type(error).__name__}. Correct it; in airflow.cfg write %% for %."
            )
            return str(self.default(name) or template()[name]["example"] or "")

    def _mistake(self, name: str, what: str, remedy: str) -> None:
        value = WITHOUT_USER.sub("://...@", self._values[name])
        self.mistakes.append(f"[{SECTION}] {name} = {value!r}: {what}. {remedy}.")

    def default(self, name: str) -> Any:
        """Return what the template says, for an option that was emptied and cannot do without a value."""
        return template()[name]["default"]

    def check_region(self, default_region: Callable[[], str | None]) -> None:
        try:
            if default_region():
                return
            what = "it is not set, nor is there a default"
        except (
            Exception
        ) as error:  # botocore is not known here; it tells of a profile that is not there, and such.
            what = f"it is not set, and the default cannot be read: {_told(error)}"
        self._mistake("region", what, "Set it, or AWS_DEFAULT_REGION")

    def check_connection(self, check: Callable[[str], Any], conn_id: str) -> None:
        try:
            check(conn_id)
        except ConfigError as error:
            self.mistakes += error.mistakes
        except Exception as error:  # The text of an error in a connection's URI can hold the password in it.
            self._mistake(
                "conn_id", f"it cannot be read: {type(error).__name__}", "Correct it, or leave conn_id empty"
            )

    def text(self, name: str, required: bool = False) -> Any:
        value = self._values[name]
        if not value and required:
            example = template()[name]["example"]
            self._mistake(name, "it is required and not set", f"Set it, for example to {example}")
        return value or None

    def matching(self, name: str, pattern: re.Pattern[str], meaning: str, required: bool = False) -> Any:
        value = self.text(name, required)
        if value and not pattern.fullmatch(value):
            self._mistake(name, f"it is not {meaning}", f"Set it to {meaning}")
        return value

    def choice(self, name: str, choices: Mapping[str, str], default: str | None) -> Any:
        value = self._values[name]
        if value and value.upper() not in choices:
            self._mistake(name, "no such choice", f"Choose one of {', '.join(choices)}")
        return choices.get(value.upper(), default)

    def ids(self, name: str, prefix: str, at_most: int, required: bool) -> tuple[str, ...]:
        values = tuple(part.strip() for part in (self.text(name, required) or "").split(",") if part.strip())
        wrong = [value for value in values if not re.fullmatch(rf"{prefix}[0-9a-f]+", value)]
        if wrong:
            self._mistake(
                name, f"{', '.join(wrong)} is no id", f"Write ids such as {prefix}0123456789abcdef0"
            )
        if len(values) > at_most:
            self._mistake(name, f"{len(values)} ids", f"AWS takes at most {at_most}")
        return values

    def number(self, name: str, kind: type[int] | type[float], low: float, high: float) -> float:
        value = self._values[name] or self.default(name)
        word = "a whole number" if kind is int else "a number"
        try:
            number = kind(value)
        except ValueError:
            number = kind(low - 1)
        if not low <= number <= high:
            self._mistake(name, f"it is not {word} from {low:g} to {high:g}", "Choose one in that range")
        return number

    def url(self, name: str) -> str | None:
        value: str | None = self.text(name)
        if value and not _is_url(value):
            remedy = "Write it with http:// or https://, without a user or a password, or leave it empty"
            self._mistake(name, "it is no URL of a service", remedy)
        return value

    def function(self, name: str, path: str, call: bool) -> Any:
        # What a user's module or function raises is the user's own: any exception is the same mistake, and
        # so is the end of the process, which would be the scheduler's. Only Ctrl-C is somebody else's.
        remedy = "Name a function without arguments that returns a function from a command to a request"
        try:
            function = import_dotted_path(path)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._mistake(name, f"it cannot be imported: {_told(error)}", remedy)
            return None
        if not callable(function):
            self._mistake(name, f"it is a {type(function).__name__}, not a function", remedy)
            return None
        if not call or (path == DEFAULT_FUNCTION and self.mistakes):
            return None  # The default function reads these options too, and would tell the mistakes twice.
        try:
            inner = function()
        except ConfigError as error:
            # A user's function that calls the default one, which reads these options too.
            self.mistakes += [mistake for mistake in error.mistakes if mistake not in self.mistakes]
            return None
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._mistake(name, f"calling it raised {_told(error)}", remedy)
            return None
        if not callable(inner):
            self._mistake(name, f"it returned a {type(inner).__name__}, which cannot be called", remedy)
        return inner


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # Raises where it is no number or too large.
    except ValueError:
        return False
    if "@" in parts.netloc:  # Nor would botocore send a user and a password.
        return False
    return parts.scheme in ("http", "https") and HOST.fullmatch(parts.hostname or "") is not None


def _told(error: BaseException) -> str:
    """Return the type and the text of a user's error, also of one that cannot be shown."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def import_dotted_path(path: str) -> Any:
    """
    Return the object at a dotted path such as ``package.module.function``.

    :raises ImportError: where there is none; importing the module can raise anything else.
    """
    module, _, attribute = path.rpartition(".")
    if not module:
        raise ImportError(f"{path!r} has no module")
    try:
        return getattr(importlib.import_module(module), attribute)
    except AttributeError:
        raise ImportError(f"module {module!r} has no attribute {attribute!r}") from None

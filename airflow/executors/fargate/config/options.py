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
"""Reads single options of ``[fargate]`` and collects what is wrong with them; ``config.py`` puts them together."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow.executors.fargate.config.template import SECTION, template
from airflow.executors.fargate.errors import ConfigError

DEFAULT_FUNCTION = "airflow.executors.fargate_executor.default_task_id_to_fargate_options_function"

#: What botocore takes for the host of an endpoint, which leaves out underscores; or an IPv6 address.
HOST = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.?)+|[0-9a-f.]*:[0-9a-f:.]*")
#: What a URL holds of a user and a password, which are shown to nobody.
WITHOUT_USER = re.compile(r"://.*@")
#: Parts of requests can hold passwords: they are not shown where something is wrong with them.
NOT_SHOWN = ("run_task_kwargs", "queues")
#: What Airflow's own ``getboolean`` takes, the usual words beside them, and AWS's.
YES = ("true", "t", "1", "yes", "y", "on", "enabled")
NO = ("false", "f", "0", "no", "n", "off", "disabled")
#: One provider of a strategy: its name, its weight, its base.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
STRATEGY_ITEM = re.compile(r"([A-Za-z0-9_-]{1,255})(?: *: *([0-9]{1,9}))?(?: *: *([0-9]{1,9}))?")
#: The weight of a provider that is written without one. AWS's own default is 0, which uses it not at all.
DEFAULT_WEIGHT = 1


class Options:
    """
    Reads options one by one, and collects what is wrong with them instead of raising at the first.

    :param get: returns the text of an option by its name, or None where it is not set.
    """

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

    def mistake(self, name: str, what: str, remedy: str) -> None:
        """Note what is wrong with an option, and what to do about it."""
        value = "…" if name in NOT_SHOWN else repr(WITHOUT_USER.sub("://...@", self._values[name]))
        self.mistakes.append(f"[{SECTION}] {name} = {value}: {what}. {remedy}.")

    def default(self, name: str) -> Any:
        """Return what the template says, for an option that was emptied and cannot do without a value."""
        return template()[name]["default"]

    def text(self, name: str, required: bool = False) -> Any:
        """Return an option as it stands; None for nothing."""
        value = self._values[name]
        if not value and required:
            example = template()[name]["example"]
            self.mistake(name, "it is required and not set", f"Set it, for example to {example}")
        return value or None

    def matching(self, name: str, pattern: re.Pattern[str], meaning: str, required: bool = False) -> Any:
        """Return a text that has a certain form."""
        value = self.text(name, required)
        if value and not pattern.fullmatch(value):
            self.mistake(name, f"it is not {meaning}", f"Set it to {meaning}")
        return value

    def choice(self, name: str, choices: Mapping[str, str], default: str | None) -> Any:
        """Return what one of several words means."""
        value = self._values[name]
        if value and value.upper() not in choices:
            self.mistake(name, "no such choice", f"Choose one of {', '.join(choices)}")
        return choices.get(value.upper(), default)

    def boolean(self, name: str) -> bool:
        """Return yes or no, in Airflow's words or in AWS's."""
        value = (self._values[name] or str(self.default(name))).lower()
        if value not in YES + NO:
            self.mistake(name, "it is neither yes nor no", "Write True or False, or ENABLED or DISABLED")
        return value in YES

    def ids(self, name: str, prefix: str, at_most: int, required: bool) -> tuple[str, ...]:
        """Return ids that are separated by commas."""
        values = tuple(part.strip() for part in (self.text(name, required) or "").split(",") if part.strip())
        wrong = [value for value in values if not re.fullmatch(rf"{prefix}[0-9a-f]+", value)]
        if wrong:
            self.mistake(name, f"{', '.join(wrong)} is no id", f"Write ids such as {prefix}0123456789abcdef0")
        if len(values) > at_most:
            self.mistake(name, f"{len(values)} ids", f"AWS takes at most {at_most}")
        return values

    def number(self, name: str, kind: type[int] | type[float], low: float, high: float) -> float:
        """Return a number in a range."""
        value = self._values[name] or self.default(name)
        word = "a whole number" if kind is int else "a number"
        try:
            number = kind(value)
        except ValueError:
            number = kind(low - 1)
        if not low <= number <= high:
            self.mistake(name, f"it is not {word} from {low:g} to {high:g}", "Choose one in that range")
        return number

    def number_or_none(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number in a range; None where the option is empty."""
        return int(self.number(name, int, low, high)) if self._values[name] else None

    def url(self, name: str) -> str | None:
        """Return the URL of a service."""
        value: str | None = self.text(name)
        if value and not _is_url(value):
            remedy = "Write it with http:// or https://, without a user or a password, or leave it empty"
            self.mistake(name, "it is no URL of a service", remedy)
        return value

    def parsed(self, name: str) -> Any:
        """Return what an option of JSON says; None for nothing, and where it is none."""
        if not self._values[name]:
            return None
        try:
            return json.loads(self._values[name], object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            # The text of these errors tells places and names, no values.
            self.mistake(name, f"it is no JSON: {error}", "Correct it, or leave it empty")
            return None

    def members(self, name: str) -> dict[str, Any]:
        """Return a JSON object."""
        value = self.parsed(name)
        if value is not None and not isinstance(value, dict):
            self.mistake(name, f"it is a {type(value).__name__}, not a JSON object", "Write it within braces")
        return value if isinstance(value, dict) else {}

    def tags(self, name: str) -> tuple[dict[str, Any], ...]:
        """Return tags as AWS writes them: JSON of names and values, or AWS's own list."""
        value = self.parsed(name)
        if isinstance(value, dict):
            value = [{"key": key, "value": text} for key, text in value.items()]
        if value is not None and not isinstance(value, list):
            remedy = 'Write names with values, such as {"team": "data"}'
            self.mistake(name, f"it is a {type(value).__name__}, not a JSON object", remedy)
            return ()
        return tuple(value or ())

    def strategy(self, name: str) -> tuple[dict[str, Any], ...]:
        """Return a capacity provider strategy as AWS writes it: AWS's list, or names with weights and bases."""
        text = self._values[name]
        if text.startswith(("[", "{")):
            value = self.parsed(name)
            items = value if isinstance(value, list) else [value]
            return tuple(item for item in items if item is not None)
        found = [STRATEGY_ITEM.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
        if not all(found):
            remedy = "Write names with their weights, such as FARGATE_SPOT:4,FARGATE:1"
            self.mistake(name, "it is no list of capacity providers", remedy)
            return ()
        return tuple(_strategy_item(*item.groups()) for item in found if item)

    def function(self, name: str, path: str, call: bool) -> Any:
        """Return what the function at a dotted path returns, where it is to be called."""
        # What a user's module or function raises is the user's own: any exception is the same mistake, and
        # so is the end of the process, which would be the scheduler's. Only Ctrl-C is somebody else's.
        remedy = "Name a function without arguments that returns a function from a command to a request"
        try:
            module, _, attribute = path.rpartition(".")
            function = getattr(importlib.import_module(module), attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.mistake(name, f"it cannot be imported: {told(error)}", remedy)
            return None
        if not callable(function):
            self.mistake(name, f"it is a {type(function).__name__}, not a function", remedy)
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
            self.mistake(name, f"calling it raised {told(error)}", remedy)
            return None
        if not callable(inner):
            self.mistake(name, f"it returned a {type(inner).__name__}, which cannot be called", remedy)
        return inner


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of the members of a JSON object, of which JSON itself would keep the last one without a word."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return members


def _strategy_item(provider: str, weight: str | None, base: str | None) -> dict[str, Any]:
    item = {"capacityProvider": provider, "weight": DEFAULT_WEIGHT if weight is None else int(weight)}
    return item if base is None else {**item, "base": int(base)}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # Raises where it is no number or too large.
    except ValueError:
        return False
    if "@" in parts.netloc:  # Nor would botocore send a user and a password.
        return False
    return parts.scheme in ("http", "https") and HOST.fullmatch(parts.hostname or "") is not None


def told(error: BaseException) -> str:
    """Return the type and the text of a user's error, also of one that cannot be shown."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__

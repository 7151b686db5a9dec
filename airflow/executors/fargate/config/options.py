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
"""Reads single options of ``[fargate]`` and collects their mistakes, for ``config.py``."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow.executors.fargate.config.template import SECTION, template
from airflow.executors.fargate.errors import ConfigError

#: The hosts of an endpoint that botocore accepts: a name without underscores, or an IPv6 address.
HOST = re.compile(r"(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.?)+|[0-9a-f.]*:[0-9a-f:.]*")
#: The user and the password in a URL, which are not shown.
WITHOUT_USER = re.compile(r"://.*@")
#: Options whose values are not shown in messages: fragments of requests can contain passwords.
NOT_SHOWN = ("run_task_kwargs", "queues")
#: The words of Airflow's ``getboolean``, other usual ones, and AWS's.
YES = ("true", "t", "1", "yes", "y", "on", "enabled")
NO = ("false", "f", "0", "no", "n", "off", "disabled")
#: One capacity provider of a strategy: name, weight, base.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
STRATEGY_ITEM = re.compile(r"([A-Za-z0-9_-]{1,255})(?: *: *([0-9]{1,9}))?(?: *: *([0-9]{1,9}))?")
#: The weight of a capacity provider without one. AWS's default is 0: it would not be used.
DEFAULT_WEIGHT = 1


class Options:
    """
    Reads single options, and collects all mistakes instead of raising the first one.

    Each method that reads an option returns some value also if there is a mistake.

    :param get: returns the text of an option, or None if it is not set.
    """

    def __init__(self, get: Callable[[str], str | None]) -> None:
        self.mistakes: list[str] = []
        self._values = {name: self._read(get, name) for name in template()}

    def _read(self, get: Callable[[str], str | None], name: str) -> str:
        """Return the text of an option; if it cannot be read, that is its only mistake."""
        try:
            return (get(name) or "").strip()
        except Exception as error:
            # Such as a single % in airflow.cfg, or a failed command or secrets backend.
            # Only the type: the text can contain a secret.
            what = f"[{SECTION}] {name} cannot be read: {type(error).__name__}"
            self.mistakes.append(f"{what}. Correct it; in airflow.cfg write %% for %.")
            return self.default(name) or template()[name]["example"] or ""

    def add_mistake(self, name: str, what: str, remedy: str) -> None:
        """Add a mistake: the option, what is wrong, and what to do."""
        value = "…" if name in NOT_SHOWN else repr(WITHOUT_USER.sub("://...@", self._values[name]))
        self.mistakes.append(f"[{SECTION}] {name} = {value}: {what}. {remedy}.")

    def raise_mistakes(self) -> None:
        """
        Raise the mistakes, if there are any.

        :raises ConfigError: with every mistake so far.
        """
        if self.mistakes:
            raise ConfigError(self.mistakes)

    def default(self, name: str) -> Any:
        """Return the default of the template, for an option that is empty and needs a value."""
        return template()[name]["default"]

    def require(self, *names: str) -> None:
        """Add a mistake for each of these options that is empty."""
        for name in names:
            if not self._values[name]:
                example = template()[name]["example"]
                self.add_mistake(name, "it is required and not set", f"Set it, for example to {example}")

    def text(self, name: str) -> str | None:
        """Return the text of an option; None if it is empty."""
        return self._values[name] or None

    def matching(self, name: str, pattern: re.Pattern[str], meaning: str) -> Any:
        """Return a text that must match a pattern; the default if the option is empty."""
        value = self._values[name]
        if value and not pattern.fullmatch(value):
            self.add_mistake(name, f"it is not {meaning}", f"Set it to {meaning}")
        return value or self.default(name)

    def _parts(self, name: str) -> list[str]:
        """Return the parts of a comma-separated text that are not empty."""
        return [part.strip() for part in self._values[name].split(",") if part.strip()]

    def choice(self, name: str, choices: Mapping[str, str]) -> str | None:
        """Return the meaning of one of several words; None if the option is empty."""
        value = self._values[name]
        if value and value.upper() not in choices:
            self.add_mistake(name, "no such choice", f"Choose one of {', '.join(choices)}")
        return choices.get(value.upper())

    def boolean(self, name: str) -> bool:
        """Return a boolean, in the words of Airflow or AWS."""
        value = (self._values[name] or str(self.default(name))).lower()
        if value not in YES + NO:
            self.add_mistake(name, "it is not a boolean", "Write True or False, or ENABLED or DISABLED")
        return value in YES

    def ids(self, name: str, prefix: str, at_most: int) -> tuple[str, ...]:
        """Return comma-separated ids."""
        values = tuple(self._parts(name))
        wrong = ", ".join(value for value in values if not re.fullmatch(rf"{prefix}[0-9a-f]+", value))
        if wrong:
            self.add_mistake(name, f"{wrong} is not an id", f"Write ids such as {prefix}0123456789abcdef0")
        if len(values) > at_most:
            self.add_mistake(name, f"{len(values)} ids", f"AWS takes at most {at_most}")
        return values

    def number(self, name: str, kind: type[int] | type[float], low: float, high: float) -> float | None:
        """Return a number in a range; None if the option is empty and has no default."""
        if not (text := self._values[name] or self.default(name)):
            return None
        try:
            number = kind(text)
        except ValueError:
            number = kind(low - 1)
        if not low <= number <= high:
            word = "a whole number" if kind is int else "a number"
            self.add_mistake(name, f"it is not {word} from {low:g} to {high:g}", "Choose one in that range")
        return number

    def url(self, name: str) -> str | None:
        """Return the URL of a service; None if the option is empty."""
        value = self.text(name)
        if value and not _is_url(value):
            remedy = "Write it with http:// or https://, without a user or a password, or leave it empty"
            self.add_mistake(name, "it is not the URL of a service", remedy)
        return value

    def parsed(self, name: str, remedy: str, kinds: tuple[type, ...] = (dict, list)) -> Any:
        """
        Return the value of a JSON option; None if it is empty, not JSON, or of another kind.

        :param remedy: what to do if it is of another kind.
        """
        try:
            value = json.loads(self._values[name] or "null", object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            # The text of these errors has positions and names, no values.
            self.add_mistake(name, f"it is not JSON: {error}", "Correct it, or leave it empty")
            return None
        if value is None or isinstance(value, kinds):
            return value
        self.add_mistake(name, f"it is a {type(value).__name__}, not a JSON object", remedy)
        return None

    def members(self, name: str) -> dict[str, Any]:
        """Return a JSON object."""
        return self.parsed(name, "Write it within braces", (dict,)) or {}

    def tags(self, name: str) -> tuple[dict[str, Any], ...]:
        """Return tags as in RunTask, of a JSON object of names and values or of RunTask's own list."""
        value = self.parsed(name, 'Write names with values, such as {"team": "data"}') or ()
        if isinstance(value, dict):
            return tuple({"key": key, "value": text} for key, text in value.items())
        return tuple(value)

    def strategy(self, name: str) -> tuple[dict[str, Any], ...]:
        """Return a strategy as in RunTask, of names with weights and bases or of RunTask's own list."""
        remedy = "Write names with their weights, such as FARGATE_SPOT:4,FARGATE:1"
        if self._values[name].startswith(("[", "{")):
            value = self.parsed(name, remedy)
            items = value if isinstance(value, list) else [value]
            return tuple(item for item in items if item is not None)
        found = [STRATEGY_ITEM.fullmatch(part) for part in self._parts(name)]
        if not all(found):
            self.add_mistake(name, "it is not a list of capacity providers", remedy)
        return tuple(_strategy_item(*item.groups()) for item in found if item)

    def function(self, name: str) -> Any:
        """
        Import the function at a dotted path, call it, and return its result; None if there is a mistake.

        Any exception of the user's code is a mistake, also SystemExit, which would end the scheduler.

        :raises KeyboardInterrupt: on Ctrl-C.
        """
        remedy = "Name a function without arguments that returns a function from a command to a request"
        what, unlike = "it cannot be imported:", "it is a {}, not a function"
        try:
            module, _, attribute = (self._values[name] or self.default(name)).rpartition(".")
            result = getattr(importlib.import_module(module), attribute)
            if callable(result):
                what, unlike = "calling it raised", "it returned a {}, which cannot be called"
                result = result()
        except ConfigError as error:
            # Of a user's function that calls the default one, which reads these options too.
            self.mistakes += [mistake for mistake in error.mistakes if mistake not in self.mistakes]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.add_mistake(name, f"{what} {describe_error(error)}", remedy)
        else:
            if callable(result):
                return result
            self.add_mistake(name, unlike.format(type(result).__name__), remedy)
        return None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of a JSON object; raise ValueError if a name occurs twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return members


def _strategy_item(provider: str, weight: str | None, base: str | None) -> dict[str, Any]:
    item = {"capacityProvider": provider, "weight": DEFAULT_WEIGHT if weight is None else int(weight)}
    return item if base is None else {**item, "base": int(base)}


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port  # Raises if it is not a number, or too large.
    except ValueError:
        return False
    # botocore would not send a user and a password.
    is_service = parts.scheme in ("http", "https") and "@" not in parts.netloc
    return is_service and bool(HOST.fullmatch(parts.hostname or ""))


def describe_error(error: BaseException) -> str:
    """Return the type and the text of a user's error; only the type if it cannot be shown."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__

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
"""What a recording does not have: secrets, and what is somebody's own. The same thing always becomes the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

#: The most characters that are kept of a body that is not JSON, such as a proxy's page.
MAX_OTHER = 2_000
#: The environment variable of a launch's identity, which the executor reads back: it has no secret in it.
IDENTITY_VARIABLE = "AIRFLOW_FARGATE_LAUNCH"
ACCOUNT = "123456789012"
REPLACED = "(replaced)"
#: What the texts begin with that stand for the numbers of an answer while it is changed.
_NUMBER = "\0number "
_MARKED = re.compile(r'"\\u0000number ([^"]*)"')


def clean_body(body: str) -> str:
    """Return the body of an answer without secrets; the numbers of JSON stay as AWS writes them."""
    # 1.480367265813E9 is a time of AWS's, and no account; float() would write it otherwise.
    number = f"{_NUMBER}{{}}".format
    try:
        parsed = json.loads(body, parse_float=number, parse_int=number, parse_constant=number)
    except ValueError:
        # Not JSON, or JSON that was broken off: what has the command and the environment is left out.
        return clean_text(re.split(r"overrides|environment|command", body, maxsplit=1)[0][:MAX_OTHER])
    return _MARKED.sub(r"\1", json.dumps(without_secrets(parsed)))


def without_secrets(value: Any, key: str = "") -> Any:
    """Return JSON without commands, values of environment variables, tokens, passwords and account ids."""
    if isinstance(value, Mapping):
        if key == "environment":
            return {name: value[name] if name == "name" else _variable(value) for name in value}
        return {name: without_secrets(member, name) for name, member in value.items()}
    if isinstance(value, list):
        if key in ("command", "entryPoint"):
            return [REPLACED] if value else []
        return [without_secrets(item, key) for item in value]
    if not isinstance(value, str) or value.startswith(_NUMBER):
        return value
    # A page's token is AWS's own, and the next request has it, too. A clientToken is a random number of the caller's.
    is_token = key.endswith("Token") and key != "clientToken"
    return _token(value) if is_token else REPLACED if key == "password" else clean_text(value)


def _variable(variable: Mapping[str, Any]) -> Any:
    return clean_text(variable["value"]) if variable.get("name") == IDENTITY_VARIABLE else REPLACED


def _token(found: str | re.Match[str]) -> str:
    text = found if isinstance(found, str) else found.group()
    return f"token-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


#: What is replaced in any text: JSON Web Tokens and other base64 of JSON, tokens of sessions, ids of access keys,
#: passwords in URLs, members of quoted JSON, and account ids.
_REPLACEMENTS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"eyJ[\w+/=-]{8,}(?:\.[\w+/=-]*)*"), _token),
    (re.compile(r"\b(?:IQoJ|FwoG|FQoG)[\w+/=]{40,}"), _token),
    (re.compile(r"\bA(?:KI|SI|RO|ID|GP|NP|NV|BI|CC)A[A-Z0-9]{12,}"), _token),
    (re.compile(r"(//[^/@\s:]*):[^/@\s]+@"), rf"\1:{REPLACED}@"),
    (re.compile(r"""(?i)(\b(?:token|password|secret)\\*["']?\s*[:=]\s*\\*["'])[^"'\\]+"""), rf"\1{REPLACED}"),
    (re.compile(r"(?i)(\b(?:token|password|secret)=)[^\s\"'\\&]+"), rf"\1{REPLACED}"),
    (re.compile(r"(?<![0-9A-Za-z])[0-9]{12}(?![0-9A-Za-z])"), ACCOUNT),
)


def clean_text(text: str) -> str:
    """Return a text without tokens, ids of access keys, passwords and account ids."""
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return text


#: Addresses of networks. Those of version 4 are also within the names of hosts: ip-10-0-1-23.ec2.internal.
_ADDRESS = re.compile(
    r"""(?P<mac>\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b)
    |(?P<v4>(?<![\d.])(?!127\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.])|(?:(?<=\bip-)|(?<=\bec2-))(?:\d{1,3}-){3}\d{1,3})
    |(?P<v6>(?<![\w:])(?=(?:[0-9a-f]*:){3})(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}(?![\w:]))""",
    re.VERBOSE,
)
#: Those for documentation: RFC 7042, 5737 and 3849.
_DOCUMENTATION = {"mac": "00:00:5e:00:53:{:02x}", "v4": "192.0.2.{}", "v6": "2001:db8::{:x}"}


class Addresses:
    """Replaces addresses of networks by those for documentation, one after another."""

    def __init__(self) -> None:
        self._numbers: dict[str, dict[str, int]] = {kind: {} for kind in _DOCUMENTATION}

    def replaced(self, value: Any) -> Any:
        """Return JSON with other addresses, the same by the same."""
        if isinstance(value, Mapping):
            return {name: self.replaced(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.replaced(item) for item in value]
        return _ADDRESS.sub(self._other, value) if isinstance(value, str) else value

    def _other(self, found: re.Match[str]) -> str:
        kind, address = str(found.lastgroup), found.group()
        numbers = self._numbers[kind]
        number = numbers.setdefault(address.replace("-", "."), len(numbers) % 254 + 1)
        other = _DOCUMENTATION[kind].format(number)
        return other.replace(".", "-") if "-" in address else other

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
Each command that a page shows exists, and takes the options that the page gives it.

Those of the quick start are run, see ``test_quick_start.py``; what ``airflow fargate`` prints is compared with the pages in
``tests/local_fargate/test_cli.py``.
"""

from __future__ import annotations

import argparse
import re
import shlex

import botocore.session
import pytest
from botocore import xform_name
from tools.aws.options import parse
from tools.aws.templates import Template
from tools.documentation.options import REPOSITORY
from tools.documentation.snippets import PAGES, read

from airflow.cli.cli_parser import get_parser

#: The languages of snippets that are commands; only lines with a prompt are, where there are others.
SHELLS = ("bash", "console", "sh")
#: In Markdown also a block that is indented, without a fence.
INDENTED = re.compile(r"^ {4}(scripts/\w+.*)$", re.MULTILINE)
INLINE = re.compile(r"``?((?:aws|airflow) [^`]+|scripts/(?:aws/)?\w+(?: [^`]+)?)``?")
#: Words that a reader replaces, and what marks an example as no whole command.
PLACEHOLDER = re.compile(r"^[A-Z_]+$|…|\[|\]")
#: The commands of a provider that the tests do not install, and one of Airflow 2 alone.
NOT_HERE = re.compile("airflow (celery|tasks run) ")
#: Options of the AWS CLI itself.
OF_THE_CLI = {"query", "output", "region", "cli-input-json"}
#: What the CLI has beside the operations of services.
CLI_ALONE = re.compile("aws (configure|sso login|s3) ?")
#: Those of a deployment.
TEMPLATES = [Template(kind) for kind in ("network", "tasks", "airflow")]
SESSION = botocore.session.get_session()


def lines_of(snippet):
    """Return the commands of a snippet; one that goes on below is one."""
    lines = re.sub(r"\\\n\s*", "", snippet.text).splitlines()
    return [
        line.removeprefix("$ ") for line in lines if snippet.language != "console" or line.startswith("$ ")
    ]


def shown(program):
    """Return the words of each command of a program that a page shows, with the page's name."""
    found = []
    for page in (*PAGES, REPOSITORY / "CONTRIBUTING.md"):
        text, name = page.read_text(encoding="utf-8"), page.relative_to(REPOSITORY).as_posix()
        inline = [" ".join(match.split()) for match in INLINE.findall(text)]
        snippets = [snippet for snippet in read(page) if snippet.language in SHELLS]
        # Those of the quick start are scripts, and are run.
        blocks = [
            line
            for snippet in snippets
            if (name, snippet.language) != ("docs/executor/fargate.rst", "bash")
            for line in lines_of(snippet)
        ]
        for line in (*inline, *blocks, *(INDENTED.findall(text) if page.suffix == ".md" else ())):
            words = shlex.split(line, comments=True)
            if words and re.fullmatch(program, words[0]):
                found.append(pytest.param(words, id=f"{name}: {line}"))
    return found


def options_in(words):
    return {word.strip("[]").removeprefix("--") for word in words if word.strip("[]").startswith("--")}


@pytest.mark.parametrize(
    "words", [param for param in shown("aws") if not CLI_ALONE.match(" ".join(param.values[0]))]
)
def test_commands_of_aws(words):
    """AWS has the operation, it takes the options, and its answer has what ``--query`` names."""
    _, service, operation, *arguments = words
    model = SESSION.get_service_model(service)
    operations = {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}
    known = operations[operation]
    assert options_in(arguments) - OF_THE_CLI <= {xform_name(name, "-") for name in known.input_shape.members}
    if "--query" in arguments:
        query = arguments[arguments.index("--query") + 1]
        assert set(re.findall(r"\w+", query)) <= members(known.output_shape)


def members(shape, above=()):
    """Return the names of the members of a shape, and of all shapes in it."""
    if shape.name in above:
        return set()
    if shape.type_name == "list":
        return members(shape.member, (*above, shape.name))
    if shape.type_name != "structure":
        return set()
    inner = (members(member, (*above, shape.name)) for member in shape.members.values())
    return set(shape.members).union(*inner)


@pytest.mark.parametrize(
    "words", [param for param in shown("airflow") if not NOT_HERE.match(" ".join(param.values[0]))]
)
def test_commands_of_airflow(words):
    """Airflow's parser has the command and its options."""
    parser, rest = get_parser(), words[1:]
    while rest and not rest[0].startswith(("-", "[")) and not PLACEHOLDER.search(rest[0]):
        choices = next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
        if choices is None:
            break  # These are the command's own arguments.
        parser, rest = choices.choices[rest[0]], rest[1:]
    assert options_in(rest) <= {
        name.lstrip("-") for action in parser._actions for name in action.option_strings
    }


@pytest.mark.parametrize("words", shown(r"scripts/\w+"))
def test_commands_of_this_repository(words):
    """The script is there, and somewhere in it or in its tools an option of that name."""
    script, *arguments = words
    sources = [REPOSITORY / script, *(REPOSITORY / "scripts" / "tools").rglob("*.py")]
    assert sources[0].is_file()
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert [option for option in options_in(arguments) if f'"--{option}"' not in text] == []


@pytest.mark.parametrize("words", shown(r"scripts/aws/\w+"))
def test_commands_for_aws(words):
    """The command's own parser takes what the page gives it, and a template takes each parameter with this value."""
    script, *arguments = words
    assert (REPOSITORY / script).is_file()
    given = parse(script.rpartition("/")[2], arguments, None)
    for name, value in getattr(given, "parameter", ()):
        declared = [template.parameters[name] for template in TEMPLATES if name in template.parameters]
        assert any(takes(one, value) for one in declared), name


def takes(parameter, value):
    """Whether the declaration of a template's parameter allows a value, whose placeholders are left aside."""
    allowed = map(str, parameter.get("AllowedValues", [value]))
    return value in allowed and re.fullmatch(parameter.get("AllowedPattern", ".*"), value) is not None


def test_there_are_commands():
    """Each kind is found at all, so that the tests above test something."""
    programs = ("aws", "airflow", r"scripts/\w+", r"scripts/aws/\w+")
    assert all(len(shown(program)) > 3 for program in programs)

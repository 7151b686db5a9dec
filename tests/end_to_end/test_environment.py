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
"""What the environments of the demo and the tests are made from."""

from __future__ import annotations

import re
import sys

import pytest
from tools.harness import environment
from tools.harness.environment import REQUIREMENTS, InstallError, find_python
from tools.harness.releases import NEWEST, RELEASES, Release

pytestmark = pytest.mark.usefixtures("same_on_all_releases")

LOCKS = ["tools", *(f"airflow-{line}" for line in RELEASES)]

# Neither end is that of another release.
SOME = Release("some", newest_python=(3, 12), oldest_python=(3, 11))


@pytest.fixture
def pythons(tmp_path, monkeypatch):
    """Makes PATH hold nothing but programs that say they are Pythons, and this one too new for any release."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "running"))
    monkeypatch.setattr(environment, "PYTHON_NAMES", ("python-a", "python-b"))

    def make(name, answer, code=0):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho {answer}\nexit {code}\n")
        path.chmod(0o755)

    make("running", "3 99 /running")
    return make


def test_the_running_python_is_taken_where_it_fits(pythons):
    """Whoever runs the script with a Python means that one."""
    pythons("running", "3 12 /running")
    pythons("python-a", "3 11 /a")
    assert str(find_python(SOME)) == "/running"


@pytest.mark.parametrize(
    "answer, code",
    [("3 13 /too/new", 0), ("3 10 /too/old", 0), ("pyenv: not found", 127), ("3 11 /broken", 1), ("", 0)],
)
def test_a_python_that_does_not_fit_is_passed_over(pythons, answer, code):
    """Too new, too old, a shim with nothing behind it: the next on PATH is taken."""
    pythons("python-a", answer, code)
    pythons("python-b", "3 11 /b")
    assert str(find_python(SOME)) == "/b"


def test_without_a_python_that_fits_the_message_says_what_to_install(pythons):
    """Nothing is downloaded behind the user's back."""
    with pytest.raises(InstallError, match=r"Airflow some runs on Python 3.11 to 3.12, .*python3.12"):
        find_python(SOME)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_everything_by_version_and_hash(name):
    """No range, no package without a hash, and nothing about where packages come from."""
    text = (REQUIREMENTS / f"{name}.lock").read_text()
    entries = [entry for entry in re.split(r"\n(?! )", text) if entry and not entry.startswith("#")]
    assert len(entries) >= 2
    for entry in entries:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\d\S*( ; .+)? \\\n +--hash=sha256:", entry), entry
    assert "://" not in text


@pytest.mark.parametrize("line", RELEASES)
def test_a_lock_holds_the_release_that_it_is_named_for(line):
    """Asking for a release installs that release."""
    assert re.search(
        rf"^apache-airflow=={re.escape(line)}\.\d+(b\d+|rc\d+)? ",
        (REQUIREMENTS / f"airflow-{line}.lock").read_text(),
        re.M,
    )


def test_the_newest_release_is_one_that_there_is():
    """Without an option the demo and the tests take a release that has a lock."""
    assert NEWEST in RELEASES

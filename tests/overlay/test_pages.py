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
"""What our pages, tests and modules say of this repository does not go into a source tree."""

from __future__ import annotations

import re

import pytest
from tools.overlay.checkout import Checkout
from tools.overlay.errors import OverlayError
from tools.overlay.layout import Tree
from tools.overlay.pages import for_a_tree
from tools.overlay.plan import Overlay

from tests.overlay.conftest import REPOSITORY

# What a source tree has not: our scripts, our data, and the tests that stay here.
OF_THIS_REPOSITORY = re.compile(
    rb"scripts/(?!ci)|fargate\.yml|tests/(fault_matrix|bad_input|security|documentation|deeper)"
    rb"|\.\. (end of )?here only|fargate[ -]check|cli[./]check"
)
PAGE = """\
Title
=====

.. things: made by scripts/things

A table.

.. end of the things

.. here only

Run it
------

.. code-block:: bash

    scripts/run

.. end of here only

More, of which scripts are made by hand.

.. begin of the figures: written by scripts/benchmark --docs

A figure.

.. here only

Data.

.. end of here only

.. end of the figures
"""


def tree_of(root):
    """Return a source tree that is newer than all releases."""
    checkout = Checkout(root, "airflow", tests="tests", docs="docs", newsfragments="newsfragments")
    return Tree(root / "airflow", "3.9.0", checkout)


def laid_files(tmp_path):
    files = Overlay(REPOSITORY / "airflow").files(tree_of(tmp_path))
    return {path: source.read_bytes() for path, source in files.items()}


def test_no_laid_file_names_what_stays_here(tmp_path):
    """Whoever reads a page or a test in Airflow's tree finds there what it names."""
    laid = laid_files(tmp_path)
    assert {"docs/fargate-cli.rst", "airflow/executors/fargate/config/template.py"} <= laid.keys()
    found = {
        path: line.decode()
        for path, content in laid.items()
        for line in content.splitlines()
        if OF_THIS_REPOSITORY.search(line)
    }
    assert found == {}


def test_the_pages_of_a_tree_name_places_that_it_has(tmp_path):
    """A place is one of the pages that go along, or that of our section in Airflow's page of options; no page is a picture."""
    pages = {
        path: source.decode() for path, source in laid_files(tmp_path).items() if path.startswith("docs/")
    }
    assert {path.rpartition(".")[2] for path in pages} == {"rst"}
    text = "".join(pages.values())
    known = {*re.findall(r"(?m)^\.\. _(\S+):$", text), "config:fargate"}
    assert set(re.findall(r":ref:`(?:[^`<]+<)?([^`>]+)>?`", text)) - known == set()
    assert "image::" not in text


def test_the_pages_here_name_it():
    """Or the test above would look for what is nowhere."""
    pages = (REPOSITORY / "docs" / "executor").glob("*.rst")
    assert sum(bool(OF_THIS_REPOSITORY.search(page.read_bytes())) for page in pages) >= 5


def test_a_page_is_laid_without_what_is_of_this_repository(tmp_path):
    """Blocks and the comments of our scripts go with the empty line behind them; all else stays as it is."""
    assert for_a_tree(PAGE.encode(), "3.2.0").decode() == (
        "Title\n=====\n\nA table.\n\nMore, of which scripts are made by hand.\n\nA figure.\n"
    )


@pytest.mark.parametrize(
    "version, expected",
    [("2.11.1", "a\n\nb\n\n  c\n\nd\n"), ("3.0.0", "a\n\n  c\n\nd\n"), ("3.2.0.dev0", "a\n\nd\n")],
)
def test_a_page_says_nothing_of_releases_before_the_tree(version, expected):
    """What concerns these alone is between two lines; what concerns the tree's own is laid without these lines."""
    old = "{0}.. until Airflow {1}\n\n{0}{2}\n\n{0}.. end of until Airflow {1}\n\n"
    page = "a\n\n" + old.format("", "2.11", "b") + old.format("  ", "3.1", "c") + "d\n"
    assert for_a_tree(page.encode(), version).decode() == expected


@pytest.mark.parametrize(
    "page",
    [
        ".. here only\n\nText.\n",
        "Text.\n\n.. end of here only\n",
        PAGE + "\n.. here only\n",
        "  .. until Airflow 3.1\n\nText.\n",
        ".. until Airflow 3.1\n\nText.\n\n.. end of until Airflow 3.0\n",
        "Text.\n\n.. end of until Airflow 3.1\n",
    ],
)
def test_half_a_block_is_told(page):
    """A mistake in a page of ours neither cuts the rest of it nor goes unseen."""
    with pytest.raises(OverlayError, match="without the other"):
        for_a_tree(page.encode(), "3.2.0")


def test_what_has_nothing_of_it_is_laid_as_it_is():
    """Byte for byte."""
    page = (REPOSITORY / "docs" / "executor" / "fargate-moving-over.rst").read_bytes()
    assert for_a_tree(page, "3.9.0") == page

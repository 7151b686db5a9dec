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
"""Links from one file of the repository to another lead somewhere; those among pages are seen by scripts/docs."""

from __future__ import annotations

import re

from tools.documentation.options import REPOSITORY

LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
LINKS = [
    (name, path or name, anchor)
    for name in ("README.md", "UPDATING.md", "CONTRIBUTING.md", "PULL_REQUEST.md")
    for path, anchor in LINK.findall((REPOSITORY / name).read_text(encoding="utf-8"))
]


def anchors(text):
    """Return the anchors of the headings, of Markdown and of reStructuredText, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$|^(\S.*)\n(?:=+|-+|~+)$", text, flags=re.MULTILINE)
    words = ("".join(heading).lower() for heading in headings)
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in words}


def leads_somewhere(path, anchor):
    """Tell whether the file exists, and has the heading."""
    target = REPOSITORY / path
    return target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))


def test_each_link_leads_somewhere():
    """The file exists, and so does the heading in it."""
    assert LINKS
    assert [link for link in LINKS if not leads_somewhere(*link[1:])] == []

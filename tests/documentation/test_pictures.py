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
"""The diagrams are as their data says, and a page shows each picture with a text for whoever cannot see it."""

from __future__ import annotations

import re

from tools.documentation import diagrams, snippets

RST = re.compile(r"^\.\. (?:image|figure):: (?P<path>\S+)\n(?P<options>(?: +\S.*\n)*)", re.MULTILINE)
HTML = re.compile(r'<img src="(?P<path>[^"]+)" alt="(?P<alt>[^"]+)">')


def shown() -> dict:
    """Return the text of each picture that a page shows, by the picture's path."""
    found = {}
    for page in snippets.PAGES:
        text = page.read_text(encoding="utf-8")
        for match in RST.finditer(text):
            _, _, alt = match["options"].partition(":alt: ")
            found[(page.parent / match["path"]).resolve()] = " ".join(alt.split())
        for match in HTML.finditer(text):
            found[(page.parent / match["path"]).resolve()] = match["alt"]
    return found


def test_diagrams_are_what_scripts_docs_writes():
    """``scripts/docs --write`` changes no file."""
    out_of_date = [
        path.name for path, text in diagrams.made() if not path.exists() or path.read_text("utf-8") != text
    ]
    assert not out_of_date


def test_each_diagram_is_shown_with_its_text():
    """The page says in words what the diagram shows, as the diagram itself does."""
    pages = shown()
    texts = {name: pages.get(diagrams.FOLDER / f"{name}.svg") for name in diagrams.DIAGRAMS}
    assert texts == {name: picture.text for name, picture in diagrams.DIAGRAMS.items()}


def test_each_shown_picture_is_there_and_has_a_text():
    """No page shows a picture that is missing, or one without words for it."""
    assert not [path for path, alt in shown().items() if not (path.is_file() and alt)]

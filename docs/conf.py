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
How ``scripts/docs`` builds these pages.

Airflow's own build takes ``executor/``, and has a configuration of its own; this one stays here, as do ``index.rst`` and
``reviewing/``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "FargateExecutor for Apache Airflow"
author = "The Apache Software Foundation"
language = "en"
html_theme = "sphinx_airflow_theme"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_use_index = False


def setup(app: Sphinx) -> None:
    """Have pictures changed when a page is read, and the theme's style sheets once they are there."""
    app.connect("doctree-read", _linked)
    app.connect("build-finished", _without_imports)


def _linked(_: Sphinx, page: nodes.document) -> None:
    """Let a photograph of the UI, which is small on a phone, lead to itself: Sphinx links what has a width."""
    for picture in page.findall(nodes.image):
        if picture["uri"].endswith(".png"):
            picture["width"] = "100%"


def _without_imports(app: Sphinx, _: Exception | None) -> None:
    """Remove the fonts that the theme's style sheets import from Airflow's site."""
    for sheet in Path(app.outdir, "_static", "_gen").rglob("*.css"):
        sheet.write_text(re.sub(r'@import "/[^;]*;', "", sheet.read_text("utf-8")), "utf-8")

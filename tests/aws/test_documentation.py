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
"""What the documentation says of what is untested is what the tests know."""

from __future__ import annotations

import pytest

from tests.aws import documentation
from tests.aws.documentation import FILE, made, rst
from tests.aws.untested import PROPERTIES, TYPES


def test_the_page_is_current():
    """scripts/docs --write would write nothing else; where this fails, run it."""
    assert FILE.read_text(encoding="utf-8") == made()


def test_every_row_is_told_with_its_templates():
    text = rst()
    for what, reason in {**PROPERTIES, **TYPES}.items():
        assert f"``{what.removeprefix('AWS::')}``\n      - ``" in text
        assert reason in text


def test_a_page_without_a_place_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(documentation, "FILE", tmp_path / "page.rst")
    documentation.FILE.write_text(documentation.BEGIN)
    with pytest.raises(ValueError, match="page.rst has no marks"):
        made()

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
"""Our sensitive options in the list that Airflow's test of its configuration compares with."""

from __future__ import annotations

import re

import yaml

from tools.overlay.config_section import SECTION
from tools.overlay.errors import OverlayError

# Where a checkout has the test, beside the folder with the tests of executors.
PATH = "core/test_configuration.py"
# The test finds these by itself.
FOUND = ("password", "kwargs")


def add_sensitive(source: bytes, section: bytes) -> bytes:
    """
    Return the test with our sensitive options in its list.

    :param section: our section of ``config.yml``
    :raises OverlayError: there is no such list, or more than one
    """
    options = yaml.safe_load(section)[SECTION]["options"]
    names = [name for name, option in options.items() if option.get("sensitive") and not name.endswith(FOUND)]
    text = source.decode()
    lists = list(re.finditer(r"(?m)^( +)sensitive_values = \{\n(?:\1 +.*\n)+(?=\1\}$)", text))
    if len(lists) != 1:
        raise OverlayError(f"{len(lists)} lists of sensitive_values in place of one")
    [place] = lists
    ours = "".join(f'{place[1]}    ("{SECTION}", "{name}"),\n' for name in names)
    return (text[: place.end()] + ours + text[place.end() :]).encode()

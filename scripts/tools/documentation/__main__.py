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
"""Writes what is made in the documentation from the code and from the tests' tables; ``scripts/docs --write`` calls it."""

from __future__ import annotations

from tools.documentation import diagrams, hints, options

from tests.aws import documentation as untested
from tests.bad_input import documentation as bad_input
from tests.fault_matrix import documentation as faults

if __name__ == "__main__":
    for part in (options, hints, bad_input, faults, untested):
        part.FILE.write_text(part.made(), encoding="utf-8")
    for path, text in diagrams.made():
        path.write_text(text, encoding="utf-8")

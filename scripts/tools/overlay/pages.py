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
Our pages of documentation, as a source tree has them.

What a page says of this repository stays here: what is between the two lines of HERE_ONLY, and the comments by which
scripts find what they write. So does what it says of releases older than the tree alone, between the two lines of UNTIL.
Where a page here names our page of options, a page in a tree names Airflow's.
"""

from __future__ import annotations

import re

from tools.overlay.errors import OverlayError

HERE_ONLY = (".. here only", ".. end of here only")
_BLOCK = re.compile("^{}\n.*?^{}\n+".format(*map(re.escape, HERE_ONLY)), re.MULTILINE | re.DOTALL)
UNTIL = (".. until Airflow ", ".. end of until Airflow ")
_OLDER = re.compile(
    r"^(?P<indent> *){}(?P<line>\d+\.\d+)\n\n(?P<text>.*?)^(?P=indent){}(?P=line)\n+".format(
        *map(re.escape, UNTIL)
    ),
    re.MULTILINE | re.DOTALL,
)
# The label of our page of options, and that of Airflow's.
_OPTIONS = ("executor:FargateExecutor:options", "config:fargate")
_COMMENT = re.compile(r"^\.\. (?:[^\n]+: (?:made|written) by scripts/[^\n]+|end of [^\n]+)\n+", re.MULTILINE)


def for_a_tree(page: bytes, version: str) -> bytes:
    """
    Return a page of ours without what is of this repository, or of releases before a version.

    :raises OverlayError: a line of HERE_ONLY or UNTIL stands without the other one
    """
    text = _BLOCK.sub("", page.decode())
    text = _OLDER.sub(lambda block: "" if _line(block["line"]) < _line(version) else block["text"], text)
    if alone := next(
        (line for line in text.splitlines() if line.strip().startswith(HERE_ONLY + UNTIL)), None
    ):
        raise OverlayError(f"a page of ours has a line {alone.strip()!r} without the other one")
    return (_COMMENT.sub("", text.replace(*_OPTIONS)).rstrip("\n") + "\n").encode()


def _line(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2])

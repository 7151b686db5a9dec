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
"""An STS of a row's own, and sessions whose credentials come from it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.simulator.http.sts import LocalSts

ROLE = "arn:aws:iam::123456789012:role/airflow-scheduler"
PROFILE = "scheduler"
#: Seconds that credentials live, and that they must live on or botocore gets new ones before a call: so each 10 s, and not
#: more often, since it makes a client each time. AWS's credentials live for an hour, and botocore's limit is ten minutes.
LIFE, LEAST = 20.0, 10.0
#: One attempt a call, since what botocore's own back-off takes cannot be multiplied.
_CONFIG = """\
[profile {profile}]
role_arn = {role}
web_identity_token_file = {folder}/token
max_attempts = 1
services = local
[services local]
sts =
  endpoint_url = {url}
"""


class Credentials:
    """
    Where a row's scheduler gets its credentials.

    :param sts: the service
    :param folder: has botocore's configuration, of no other process or row
    :param scale: what times are multiplied with
    """

    def __init__(self, sts: LocalSts, folder: Path, scale: float) -> None:
        self._sts = sts
        self._least = LEAST * scale
        sts.life = LIFE * scale
        self._config = folder / "config"
        (folder / "token").write_text("a token of the identity provider")
        self._config.write_text(_CONFIG.format(profile=PROFILE, role=ROLE, folder=folder, url=sts.url))

    def let_sts(self, what: str) -> None:
        """Let the service do what a row says; see :attr:`tests.fault_matrix.row.Row.sts`."""
        plain = {"well": self._sts.answer_well, "away": self._sts.go_away, "silent": self._sts.be_silent}
        if what in plain:
            plain[what]()
        else:
            self._sts.refuse(what)

    @property
    def refusals(self) -> int:
        """How often the service was asked and gave no credentials."""
        return self._sts.calls.total() - self._sts.calls["ok"]

    def session(self, region: str) -> Any:
        """Return a boto3 session that asks there, whatever the environment says."""
        import boto3
        import botocore.session

        session = botocore.session.Session(profile=PROFILE)
        session.set_config_variable("config_file", str(self._config))
        session.set_config_variable("region", region)
        credentials = session.get_credentials()
        credentials._mandatory_refresh_timeout = credentials._advisory_refresh_timeout = self._least
        return boto3.Session(botocore_session=session)


@contextlib.contextmanager
def from_sts(what: str, scale: float) -> Iterator[Credentials]:
    """Yield where credentials come from, and let the service do so until the end of the block."""
    with LocalSts() as sts, tempfile.TemporaryDirectory(prefix="credentials-") as folder:
        credentials = Credentials(sts, Path(folder), scale)
        credentials.let_sts(what)
        yield credentials

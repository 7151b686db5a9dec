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
"""Where a command acts: the account, the Region and the identity of whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.aws.plan import Clients


@dataclass(frozen=True)
class Place:
    """An account and a Region, and as whom the command acts there, an ARN."""

    account: str
    region: str
    identity: str

    def __str__(self) -> str:
        """Return what each command says first."""
        return f"Account {self.account}, Region {self.region}, as {self.identity}"

    def has_no(self, deployment: str) -> str:
        """Return what is said of a deployment that has no stack here."""
        return f"There is no deployment {deployment} in {self.region} of account {self.account}"


def of(clients: Clients) -> Place:
    """Ask AWS where this is, and as whom."""
    # Every identity may: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    sts = clients("sts")
    caller = sts.get_caller_identity()
    return Place(caller["Account"], sts.meta.region_name, caller["Arn"])

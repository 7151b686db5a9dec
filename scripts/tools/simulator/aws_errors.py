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
"""The errors that ECS answers with, in its own codes and words."""

from __future__ import annotations

import json
from typing import Any


class AwsError(Exception):
    """
    An answer that is not the one asked for.

    :param code: AWS's error code, such as ``ClientException``
    :param message: what AWS says with it
    :param status: the HTTP status
    :param members: further members of the error's shape, such as ``resourceIds``
    """

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members

    def body(self) -> bytes:
        """Return the body of the answer, as the JSON 1.1 protocol wants it."""
        return json.dumps({"__type": self.code, "message": self.message, **self.members}).encode()


def invalid_parameter(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def client_exception(message: str) -> AwsError:
    return AwsError("ClientException", message)


def cluster_not_found() -> AwsError:
    return AwsError("ClusterNotFoundException", "Cluster not found.")


def throttled() -> AwsError:
    return AwsError("ThrottlingException", "Rate exceeded")


def server_exception(status: int) -> AwsError:
    return AwsError("ServerException", "Service Unavailable. Please try again later.", status)


def conflict(task_arns: list[str]) -> AwsError:
    return AwsError(
        "ConflictException",
        "The client token was already used for a request with different parameters.",
        resourceIds=task_arns,
    )

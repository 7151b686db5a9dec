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
"""The base class of the FargateExecutor's errors, and the errors that several modules raise."""

from __future__ import annotations


class FargateError(Exception):
    """Base class of all errors that the FargateExecutor raises itself."""


class ConfigError(FargateError):
    """
    The options of ``[fargate]`` cannot be used.

    :param mistakes: one sentence for each mistake: option, value, what is wrong, the remedy.
    """

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(
            "The FargateExecutor cannot start. Please correct in airflow.cfg or in the environment:\n"
            + "\n".join(f"  * {mistake}" for mistake in mistakes)
        )


class RequestError(FargateError):
    """The request of one launch cannot be made, or AWS would refuse it. Only that launch fails."""

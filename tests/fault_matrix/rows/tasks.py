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
"""Requests of a task that AWS would refuse. The other tasks run on."""

from __future__ import annotations

from tests.fault_matrix.row import Expected, Row

NOT_ASKED = Expected(unmet=("InvalidParameterException", "SerializationException"))

ROWS = (
    Row(
        "overrides-too-large",
        "A task's overrides have more than 8192 characters",
        "This task fails at once, without a call to AWS, and its event log has the reason.",
        NOT_ASKED,
        odd_config={
            "overrides": {"containerOverrides": [{"environment": [{"name": "BIG", "value": "x" * 9000}]}]}
        },
        odd_reason="8192",
    ),
    Row(
        "no-such-size",
        "A task asks for a size that Fargate does not offer",
        "This task fails at once, without a call to AWS, and its event log has the nearest sizes.",
        NOT_ASKED,
        odd_config={"overrides": {"cpu": "1024", "memory": "16384"}},
        odd_reason="2048 CPU units with 16384 MiB",
    ),
    Row(
        "wrong-executor-config",
        "A task's executor_config is not valid",
        "This task fails at once, without a call to AWS, and its event log has the reason.",
        NOT_ASKED,
        odd_config={"overrides": {"containerOverrides": "none"}, "colour": "blue"},
        odd_reason="executor_config",
    ),
)

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
"""AWS's numbers, each with its source."""

from __future__ import annotations

import re

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
MAX_TASKS_PER_RUN = 10
MAX_OVERRIDES_CHARACTERS = 8192
MAX_CLIENT_TOKEN_CHARACTERS = 64
CLIENT_TOKEN_PATTERN = re.compile(r"[!-~]+")
MAX_STARTED_BY_CHARACTERS = 128
STARTED_BY_PATTERN = re.compile(r"[A-Za-z0-9/_-]*")
MAX_TAGS = 50
MAX_TAG_KEY_CHARACTERS = 128
MAX_TAG_VALUE_CHARACTERS = 256
MAX_STRATEGY_ITEMS = 20

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tag.html: besides letters, numbers and spaces.
TAG_SYMBOLS = "_.:/=+-@"

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
MAX_SUBNETS = 16
MAX_SECURITY_GROUPS = 5

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
MAX_DESCRIBED_TASKS = 100
# Task ids were UUIDs before the long ARN format; the service still takes both lengths.
TASK_ID_LENGTHS = (32, 36)
# "Stopped tasks appear in the returned results for at least one hour."
STOPPED_TASK_RETENTION = 3600.0

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
MAX_LIST_RESULTS = 100

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopTask.html
MAX_STOP_REASON_CHARACTERS = 255

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html (stopTimeout)
DEFAULT_STOP_TIMEOUT = 30.0
MAX_STOP_TIMEOUT = 120.0

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html: a token lives 24 hours,
# or one hour longer than its task, whichever is less.
CLIENT_TOKEN_LIFE = 24 * 3600.0
CLIENT_TOKEN_LIFE_AFTER_TASK = 3600.0

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
SPOT_WARNING = 120.0

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html: an event's size.
MAX_LOG_EVENT_CHARACTERS = 256 * 1024

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html: a page has at most 1 MB or
# 10,000 events, of which each counts 26 bytes more than its text, as in PutLogEvents.
MAX_LOG_PAGE_BYTES = 1024 * 1024
MAX_LOG_PAGE_EVENTS = 10_000
LOG_EVENT_OVERHEAD_BYTES = 26

# A CPU unit is a 1024th of a vCPU; a Fargate task that names none has a quarter of one.
CPU_UNITS_PER_VCPU = 1024
DEFAULT_CPU_UNITS = 256

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html: GB of memory by CPU units.
# Written down here once more, and in another way, so that the executor is not tested against its own table.
FARGATE_GB = {
    256: (0.5, 1, 2),
    512: tuple(range(1, 5)),
    1024: tuple(range(2, 9)),
    2048: tuple(range(4, 17)),
    4096: tuple(range(8, 31)),
    8192: tuple(range(16, 61, 4)),
    16384: tuple(range(32, 121, 8)),
    32768: (60, 120, 244),
}
MIB_PER_GB = 1024

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
MAX_WEIGHT = 1000
MAX_BASE = 100_000

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_EphemeralStorage.html
EPHEMERAL_STORAGE_GIB = range(21, 201)
# What a task has that asks for none.
DEFAULT_STORAGE_GIB = 20

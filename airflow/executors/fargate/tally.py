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
"""Numbers that the fleet counts, for Airflow's metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """
    What has happened since the fleet began; only its thread writes, any thread may read.

    The scheduler's thread makes metrics of it: the fleet knows nothing of Airflow.
    """

    #: RunTask calls that a container came of.
    launches: int = 0
    #: Calls of any kind that AWS throttled.
    throttles: int = 0
    #: DescribeTasks calls made.
    describe_calls: int = 0
    #: Items of AWS's answers that were left out since they were none.
    malformed: int = 0
    #: Containers that are followed at the moment.
    live_containers: int = 0

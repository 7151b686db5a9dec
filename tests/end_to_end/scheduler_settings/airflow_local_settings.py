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
What the schedulers of some tests read as they start, where Airflow lets its administrators run code of their own.

The executor leaves an ECS task that has started ten minutes to end by itself. No test waits for that.
"""

from __future__ import annotations

from airflow.executors.fargate import sweeping

__all__: list[str] = []

if not hasattr(sweeping, "ENDING"):
    raise ImportError("The executor keeps this time somewhere else now")
sweeping.ENDING = 5.0

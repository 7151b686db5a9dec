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
Gives the executor other times, where Airflow lets its administrators run code of their own.

An ECS task that has started has ten minutes to end by itself, and that there is none counts after a minute. No test waits for
that: ``EXECUTOR_TIMES`` has the seconds, by module and constant.
"""

from __future__ import annotations

import importlib
import json
import os

__all__: list[str] = []

for _name, _seconds in json.loads(os.environ.get("EXECUTOR_TIMES", "{}")).items():
    _module, _, _constant = _name.rpartition(".")
    _there = importlib.import_module(f"airflow.executors.fargate.{_module}")
    if not hasattr(_there, _constant):
        raise ImportError(f"The executor has no {_name}")
    setattr(_there, _constant, _seconds)

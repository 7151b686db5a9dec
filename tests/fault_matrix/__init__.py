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
The fault matrix: one table of faults, each driven through the executor against a local Fargate of its own.

=================  ==================================================================================
``rows``           the table: data
``row``            what a row of it says
``scaling``        multiplies every time, the executor's and the service's, with the same factor
``bed``            a local Fargate and a started executor for a row
``scheduler``      the part of the scheduler that an executor meets
``credentials``    an STS of a row's own, and sessions whose credentials come from it
``user_function``  a user's function that does not return until it may
``work``           task instances to hand over, on each Airflow release
``acts``           what the world does while a row runs
``procedures``     how a row is driven
``child``          a process that drives an executor, to be killed
``evidence``       what was seen: events, containers, heartbeats
``judge``          what was seen against what is expected
``watching``       who asks AWS or waits, and how late the machine is
``runner``         runs many rows at the same time
``results``        the table of results
``documentation``  the table for readers, in the documentation and the README
``package``        the executor's package from elsewhere, for ``scripts/guards``
=================  ==================================================================================
"""

from __future__ import annotations

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
ECS on Fargate and CloudWatch Logs over HTTP, on this machine, for tests and demonstrations.

moto keeps clusters, task definitions, subnets and logs; this package answers RunTask, DescribeTasks,
ListTasks and StopTask itself and runs each container as a real process, or only pretends to.

=====================  ===========================================================================
``server``             ``LocalFargate``: everything below put together, as a context manager
``bootstrap``          creates what a test needs: cluster, network, log group, task definition
``settings``           what can be adjusted, parsed and checked
``json_readers``       reads settings, and tells every mistake
``limits``             AWS's numbers
``aws_errors``         AWS's errors
``timers``             one thread for every deadline
``measure``            how many calls a second it answers
``http/``              HTTP on the loopback interface
``- server``           the HTTP front
``- application``      which part answers a request, and where faults meet it
``- control``          ``/_fargate``: settings, the ledger of tasks, the count of calls
``- sts``              ``LocalSts``: a source of credentials that can be away or refuse
``ecs/``               what ECS and CloudWatch Logs answer
``- operations``       RunTask, DescribeTasks, ListTasks, StopTask
``- run_request``      what AWS checks before it accepts a RunTask
``- task_size``        which CPU and memory Fargate has
``- new_task``         an ECS task from an accepted request
``- client_tokens``    RunTask's idempotency
``- lifecycle``        moves ECS tasks through their states
``- tasks``            an ECS task and its containers, as AWS describes them
``- task_store``       every ECS task that was ever started
``- log_reading``      GetLogEvents
``- moto_side``        the part that moto plays
``containers/``        the processes of containers
``- host``             containers as real processes, or pretended
``- process_tree``     which processes belong to a container, and how they are ended
``- reaper``           ends what a killed server left behind
``- output``           containers' output, line by line
``- logs``             which log group and stream it goes to
``faults/``            what goes wrong on purpose
``- source``           which call and which ECS task goes wrong, and how
``- gates``            holds calls until a test lets them go
``- edits``            changes members of an answer
``- throttle``         token buckets
=====================  ===========================================================================
"""

from __future__ import annotations

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
The buttons on a task instance's page that lead to its ECS task, and to its log, in the AWS console.

The wheel brings the plugin to Airflow by its entry point. With the overlay alone, a module in the folder of
plugins that imports :class:`FargatePlugin` does the same. Every component of Airflow loads plugins, so what the
buttons need is imported when one is asked for.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.aws.arns import ecs_task_link
from airflow.executors.fargate.notes import noted_ecs_task
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EcsTaskButton:
    """
    A link to the last ECS task of a task instance's try, to one tab of its page in the AWS console.

    No call is made for it, as Airflow's page asks for it every few seconds. That is why the log's button leads to the
    page's tab: the log stream's own page is known only with the task definition.

    It has what Airflow asks of a ``BaseOperatorLink``, which is another class in each line of its releases.
    """

    #: What stands on the button.
    name: str
    tab: str

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the link. An empty one is no button; Airflow 2 shows a grey one.

        It is empty where no note of ours names an ECS task, as for other executors' task instances, and where from
        3.4 on several rows have the key, as in a loop. An error would take the other buttons away, so it is logged.
        """
        try:
            arn = _last_ecs_task(ti_key)
        except Exception:
            log.exception("No link to the ECS task of %s", ti_key)
            arn = None
        return (arn and ecs_task_link(arn, tab=self.tab)) or ""


def _last_ecs_task(key: TaskInstanceKey) -> str | None:
    """Return the ARN in the last note that names an ECS task; None without one."""
    from airflow.executors.fargate.bridge.notes_table import notes_of
    from airflow.utils.session import create_session

    with create_session() as session:
        named = (noted_ecs_task(note.text) for note in reversed(notes_of(key, session)))
        return next((ecs_task.arn for ecs_task in named if ecs_task), None)


class FargatePlugin(AirflowPlugin):
    """Puts the buttons on the pages of all task instances."""

    name = "fargate"
    global_operator_extra_links = [
        EcsTaskButton("ECS task", "configuration"),
        EcsTaskButton("ECS task log", "logs"),
    ]

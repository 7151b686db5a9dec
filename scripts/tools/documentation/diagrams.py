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
"""The diagrams of the documentation: where each box and arrow is, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.documentation.drawing import DARK, LIGHT, Arrow, Box, Picture
from tools.harness.environment import REPOSITORY

FOLDER = REPOSITORY / "docs" / "executor" / "img"
BOTH = ("start", "end")

HOW_IT_WORKS = Picture(
    (480, 540),
    "The executor in Airflow's scheduler calls RunTask, DescribeTasks and StopTask of Amazon ECS. ECS runs "
    "a Fargate task for each task instance, which talks to Airflow's API server. Its log goes to CloudWatch"
    " Logs, from which the API server reads what the Logs tab shows.",
    (
        Box((12, 12), (220, 158), "group", ["Airflow's scheduler"]),
        Box((26, 56), (192, 100), "airflow", ["FargateExecutor", "calls AWS in", "its own threads"]),
        Box((318, 12), (150, 100), "airflow", ["API server", "of Airflow,", "with the UI"]),
        Box((26, 268), (192, 52), "aws", ["Amazon ECS"]),
        Box((46, 408), (192, 116), "aws"),
        Box((36, 398), (192, 116), "aws"),
        Box((26, 388), (192, 116), "aws", ["ECS task", "on Fargate,", "one for each", "task instance"]),
        Box((338, 416), (130, 80), "aws", ["CloudWatch", "Logs"]),
        Arrow([(60, 156), (60, 268)], ["RunTask", "DescribeTasks", "StopTask"], (72, 200)),
        Arrow([(60, 320), (60, 388)], ["starts, stops"], (72, 360)),
        Arrow([(218, 400), (268, 400), (268, 62), (318, 62)], ["Execution", "API"], (230, 228)),
        Arrow([(238, 456), (338, 456)], ["awslogs"], (252, 446)),
        Arrow([(403, 112), (403, 416)], ["GetLogEvents"], (344, 270)),
    ),
)

LIFE_OF_A_LAUNCH = Picture(
    (480, 790),
    "A launch is queued, requested with RunTask, accepted by ECS, running, and ended: exit code 0 is "
    "success, and after any other Airflow's retries decide. Without an answer the same request is sent "
    "again with the same clientToken. Without capacity the launch waits or takes the fallback. If its "
    "container never started, a next attempt is made, up to max_launch_attempts. If the scheduler is gone, "
    "the next one adopts the ECS task. If the launch is no longer wanted, StopTask ends it.",
    (
        Box((12, 12), (164, 66), "airflow", ["Queued", "by the scheduler"]),
        Box((12, 134), (164, 66), "airflow", ["Requested", "RunTask"]),
        Box((12, 294), (164, 88), "aws", ["Accepted", "PROVISIONING,", "PENDING"]),
        Box((12, 446), (164, 66), "aws", ["Started", "RUNNING"]),
        Box((12, 592), (164, 66), "aws", ["Ended", "STOPPED"]),
        Box((12, 712), (124, 66), "good", ["Success", "exit code 0"]),
        Box((152, 712), (174, 66), "bad", ["Failure", "any other, or none"]),
        Box((364, 712), (104, 66), "airflow", ["Airflow's", "retries"], bold=False),
        Box((254, 12), (214, 88), "airflow", ["No answer", "same request,", "same clientToken"]),
        Box((254, 116), (214, 88), "airflow", ["No capacity", "waits, or takes", "the fallback"]),
        Box(
            (254, 256),
            (214, 110),
            "airflow",
            ["Never started", "next attempt, up to", "max_launch_attempts,", "then failure"],
        ),
        Box((254, 402), (214, 88), "airflow", ["Scheduler gone", "the next one adopts", "the ECS task"]),
        Box((254, 520), (214, 66), "airflow", ["No longer wanted", "StopTask"]),
        Arrow([(94, 78), (94, 134)]),
        Arrow([(94, 200), (94, 294)], ["task ARN"], (106, 274)),
        Arrow([(94, 382), (94, 446)]),
        Arrow([(94, 512), (94, 592)]),
        Arrow([(74, 658), (74, 712)]),
        Arrow([(124, 658), (124, 685), (239, 685), (239, 712)]),
        Arrow([(326, 745), (364, 745)]),
        Arrow([(176, 150), (215, 150), (215, 56), (254, 56)], heads=BOTH),
        Arrow([(176, 178), (254, 178)], heads=BOTH),
        Arrow([(176, 320), (254, 320)]),
        Arrow([(361, 256), (361, 232), (144, 232), (144, 200)]),
        Arrow([(176, 466), (254, 466)], heads=BOTH),
        Arrow([(176, 494), (215, 494), (215, 553), (254, 553)]),
        Arrow([(361, 586), (361, 625), (176, 625)]),
    ),
)

#: The middle of each column of the sequence, and its top and end.
SCHEDULER, FLEET, ECS, CONTAINER, API_SERVER = 50, 150, 250, 350, 450
TOP, END = 70, 600


def _column(middle: int, kind: str, *lines: str) -> tuple[Arrow, Box]:
    box = Box((middle - 47, 12), (94, TOP - 12), kind, lines, bold=False)
    return Arrow([(middle, TOP), (middle, END)], heads=(), dashed=True), box


def _call(begin: int, end: int, y: int, label: str, answer: bool = False) -> Arrow:
    return Arrow([(begin, y), (end, y)], [label], (min(begin, end) + 8, y - 8), dashed=answer)


WHO_CALLS_WHOM = Picture(
    (500, 612),
    "The scheduler's heartbeat hands a launch to the executor's own thread. That one calls RunTask, and ECS "
    "answers with the task's ARN and starts the container, which calls Airflow's API server. The executor's "
    "thread calls DescribeTasks for up to a hundred ECS tasks at once, until one has stopped with its exit "
    "code, and tells the heartbeat of success or failure. It calls StopTask if the launch is no longer "
    "wanted.",
    (
        *_column(SCHEDULER, "airflow", "Heartbeat"),
        *_column(FLEET, "airflow", "Executor's", "thread"),
        *_column(ECS, "aws", "ECS"),
        *_column(CONTAINER, "aws", "Main", "container"),
        *_column(API_SERVER, "airflow", "API", "server"),
        _call(SCHEDULER, FLEET, 112, "launch"),
        _call(FLEET, ECS, 156, "RunTask"),
        _call(ECS, FLEET, 194, "task ARN", answer=True),
        _call(ECS, CONTAINER, 232, "starts"),
        _call(CONTAINER, API_SERVER, 276, "its state"),
        _call(FLEET, ECS, 320, "DescribeTasks, up to 100 at once"),
        _call(ECS, FLEET, 358, "RUNNING", answer=True),
        _call(CONTAINER, ECS, 402, "exit code", answer=True),
        _call(FLEET, ECS, 446, "DescribeTasks"),
        _call(ECS, FLEET, 484, "STOPPED, exit code", answer=True),
        _call(FLEET, SCHEDULER, 528, "success or failure", answer=True),
        _call(FLEET, ECS, 578, "StopTask, if no longer wanted"),
    ),
)

WHOLE_AIRFLOW = Picture(
    (500, 700),
    "A VPC with subnets in two Availability Zones. The browser reaches the API server by a load balancer. API "
    "server, scheduler, Dag processor and triggerer are services of Amazon ECS, and use a database of RDS for "
    "PostgreSQL. The scheduler launches ECS tasks on Fargate, one for each task instance, which reach the "
    "execution API by the API server's name in Cloud Map. Outside of the VPC are Amazon ECR with the images, "
    "CloudWatch Logs, Secrets Manager with keys and passwords, and S3 or git with the Dag files.",
    (
        Box((40, 12), (200, 44), "group", ["Browser"]),
        Box((12, 84), (476, 484), "group", ["VPC, two Availability Zones"]),
        Box((40, 124), (200, 48), "aws", ["Load balancer"]),
        Box((26, 204), (448, 186), "group", ["Airflow, as ECS services on Fargate"]),
        Box(
            (40, 244), (200, 132), "airflow", ["API server", "its name in", "Cloud Map:", "api.NAME.internal"]
        ),
        Box((260, 244), (200, 36), "airflow", ["Scheduler"]),
        Box((260, 292), (200, 36), "airflow", ["Dag processor"]),
        Box((260, 340), (200, 36), "airflow", ["Triggerer"]),
        Box((60, 452), (190, 100), "aws"),
        Box((50, 442), (190, 100), "aws"),
        Box((40, 432), (190, 100), "aws", ["ECS tasks", "on Fargate, one for", "each task instance"]),
        Box((280, 446), (194, 72), "aws", ["Database", "RDS for PostgreSQL"]),
        Box((12, 616), (110, 72), "aws", ["ECR", "images"]),
        Box((134, 616), (110, 72), "aws", ["Logs", "CloudWatch"]),
        Box((256, 616), (110, 72), "aws", ["Secrets", "Manager"]),
        Box((378, 616), (110, 72), "aws", ["S3 or git", "Dag files"]),
        Arrow([(60, 56), (60, 124)]),
        Arrow([(60, 172), (60, 244)]),
        Arrow([(70, 432), (70, 376)], ["Execution API"], (80, 418)),
        Arrow([(215, 390), (215, 432)], ["RunTask"], (223, 418)),
        Arrow([(377, 390), (377, 446)], heads=BOTH),
        Arrow([(67, 616), (67, 568)]),
        Arrow([(189, 568), (189, 616)], heads=BOTH),
        Arrow([(311, 616), (311, 568)]),
        Arrow([(433, 616), (433, 568)]),
    ),
)

DIAGRAMS = {
    "how-it-works": HOW_IT_WORKS,
    "life-of-a-launch": LIFE_OF_A_LAUNCH,
    "who-calls-whom": WHO_CALLS_WHOM,
    "whole-airflow": WHOLE_AIRFLOW,
}


def made() -> Iterator[tuple[Path, str]]:
    """Yield each file with its text, as it ought to be."""
    for name, picture in DIAGRAMS.items():
        yield FOLDER / f"{name}.svg", picture.svg(LIGHT)
        yield FOLDER / f"{name}-dark.svg", picture.svg(DARK)

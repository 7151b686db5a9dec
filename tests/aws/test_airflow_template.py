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
"""What the template of a whole Airflow says of its Dags and of its cost."""

from __future__ import annotations

import re

import pytest

from tests.aws.resolver import TEMPLATES
from tests.aws.whole_airflow import Whole
from tests.documentation.test_cost import dollars


@pytest.mark.parametrize(
    ("parameters", "classpath", "kwargs"),
    [
        ({}, "airflow.dag_processing.bundles.local.LocalDagBundle", {}),
        (
            {"Dags": "bucket", "DagsBucket": "ours", "DagsFolder": ""},
            "airflow.providers.amazon.aws.bundles.s3.S3DagBundle",
            {"bucket_name": "ours", "prefix": "", "aws_conn_id": None},
        ),
        (
            {"Dags": "git", "DagsRepository": "https://git.example/dags.git"},
            "airflow.providers.git.bundles.git.GitDagBundle",
            {"repo_url": "https://git.example/dags.git", "tracking_ref": "main", "subdir": "dags"},
        ),
    ],
)
def test_dags_come_from_where_they_are(parameters, classpath, kwargs):
    """What reads Dags has the bundle that the parameters ask for, and the bucket may be read where it is one."""
    stack = Whole("eu-west-1", Image="any", **parameters)
    for definition in (
        "TaskDefinition",
        "DagProcessorDefinition",
        "TriggererDefinition",
        "ApiServerDefinition",
    ):
        [bundle] = stack.bundles(definition)
        assert (bundle["classpath"], bundle["kwargs"]) == (classpath, kwargs)
    assert stack.holds("FromBucket") == classpath.endswith("S3DagBundle")


def test_the_cost_of_a_month_follows_from_the_prices():
    """The table in the template has the sizes that are its defaults, the prices of the page, and their sum."""
    text_of_template = (TEMPLATES / "airflow.yaml").read_text()
    rows = re.findall(r"^#   (\S.*?)  +(\d+\.\d\d)(?:  |$)", text_of_template, re.MULTILINE)
    costs = {name: float(cost) for name, cost in rows}
    together = costs.pop("Together")
    assert sum(costs.values()) == pytest.approx(together)
    stack = Whole("us-east-1")
    sized = [name.removesuffix("Cpu") for name in stack.template["Parameters"] if name.endswith("Cpu")]
    for name in sized:
        if name == "Task":
            continue
        vcpus, gb = (int(stack.parameter(f"{name}{what}")) / 1024 for what in ("Cpu", "Memory"))
        title = {"ApiServer": "API server", "DagProcessor": "Dag processor"}.get(name, name)
        cost = costs[f"{title}, {vcpus:g} vCPU, {gb:g} GB"]
        assert cost == pytest.approx(dollars(vcpus, gb, "x86", 730 * 3600), abs=0.006)

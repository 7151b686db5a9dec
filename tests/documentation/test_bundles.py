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
"""The bundles that the recipe for Dag files shows are ones that Airflow itself reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tools.documentation.snippets import options_of, read

from tests.documentation.test_recipes import PAGE

manager = pytest.importorskip("airflow.dag_processing.bundles.manager", reason="Airflow 2 has no bundles")
base = pytest.importorskip("airflow.dag_processing.bundles.base")

SHOWN = next(
    options_of(snippet)["dag_processor"]["dag_bundle_config_list"]
    for snippet in read(PAGE)
    if snippet.language == "ini" and "[dag_processor]" in snippet.text
)
[IN_THE_CONTAINER] = [
    variable["value"]
    for snippet in read(PAGE)
    if "DAG_BUNDLE_CONFIG_LIST" in snippet.text
    for container in json.loads(snippet.text)["containerDefinitions"]
    for variable in container["environment"]
]


class Bundle(base.BaseDagBundle):
    """A bundle of a provider that is not installed here."""

    path = Path("/dags")

    def refresh(self):
        """Nothing changes."""

    def get_current_version(self):
        """It has no versions."""


class Git(Bundle):
    """Takes what the git provider's class takes."""

    def __init__(self, *, tracking_ref, subdir=None, git_conn_id=None, repo_url=None, **own):
        super().__init__(**own)


class S3(Bundle):
    """Takes what the amazon provider's class takes."""

    def __init__(self, *, bucket_name, aws_conn_id="aws_default", prefix="", **own):
        super().__init__(**own)


CLASSES = {
    "airflow.providers.git.bundles.git.GitDagBundle": Git,
    "airflow.providers.amazon.aws.bundles.s3.S3DagBundle": S3,
}


@pytest.fixture
def bundles_of(monkeypatch):
    """Return a function that makes the bundles of a configuration as a container does, by their names."""
    forget = getattr(getattr(manager, "_load_bundle_config_snapshot", None), "cache_clear", lambda: None)

    def make(text):
        monkeypatch.setattr(manager, "import_string", CLASSES.__getitem__)
        monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", text)
        forget()
        names = [bundle["name"] for bundle in json.loads(text)]
        return {name: manager.DagBundlesManager().get_bundle(name) for name in names}

    yield make
    forget()


def test_airflow_makes_the_bundles(bundles_of):
    """Each has a name, a class and the arguments that the class takes."""
    assert {name: type(made) for name, made in bundles_of(SHOWN).items()} == {"git-dags": Git, "s3-dags": S3}


def test_the_container_has_a_bundle_of_the_dag_processor(bundles_of):
    """With the same arguments, so that it reads the same files."""
    assert bundles_of(IN_THE_CONTAINER).keys() == {"git-dags"}
    assert all(bundle in json.loads(SHOWN) for bundle in json.loads(IN_THE_CONTAINER))


@pytest.mark.parametrize(
    "wrong",
    [
        '[{"name": "git-dags", "kwargs": {}}]',
        SHOWN.replace("tracking_ref", "tracking"),
        SHOWN.replace("git.GitDagBundle", "GitDagBundle"),
    ],
)
def test_airflow_refuses_others(bundles_of, wrong):
    """So the tests above can fail."""
    with pytest.raises((manager.AirflowConfigException, TypeError, KeyError)):
        bundles_of(wrong)

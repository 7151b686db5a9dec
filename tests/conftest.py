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
"""Keeps every test away from the user's own Airflow: its home, its settings, its database, AWS's credentials."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import shutil
import tempfile

import pytest


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="take the hours that some tests need in full")


def pytest_configure(config):
    # Until all tests are collected only what stays is loaded; looking for what can be freed takes a fifth of that time.
    gc.disable()
    # Airflow reads its settings when it is first imported, which test modules do as they are collected.
    for name in list(os.environ):
        if name.startswith(("AIRFLOW__", "AWS_")):
            del os.environ[name]
    config.airflow_home = tempfile.mkdtemp(prefix="airflow-tests-")
    os.environ |= {
        "AIRFLOW_HOME": config.airflow_home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{config.airflow_home}/airflow.db",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        # No test asks the machine it runs on for credentials.
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    # What Airflow will take away is not used; 3.4 is the first release to say so.
    with contextlib.suppress(ImportError):
        from airflow.exceptions import RemovedInAirflow4Warning

        category = f"{RemovedInAirflow4Warning.__module__}.{RemovedInAirflow4Warning.__qualname__}"
        config.addinivalue_line("filterwarnings", f"error::{category}")


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config):
    shutil.rmtree(config.airflow_home, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def models_read_once():
    """Let all sessions share what is read of AWS's models: each would read megabytes anew, most of what a client costs."""
    from botocore.loaders import JSONFileLoader, Loader

    read, list_services = functools.cache(JSONFileLoader().load_file), Loader.list_available_services

    @functools.cache
    def services(type_name, *paths):
        return list_services(Loader(paths, include_default_search_paths=False), type_name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda self, file_path: read(file_path))
        patch.setattr(
            Loader, "list_available_services", lambda self, type_name: services(type_name, *self.search_paths)
        )
        yield

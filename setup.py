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
The wheel: our modules, to lie beside those of an installed Airflow.

``airflow`` and ``airflow.executors`` are Airflow's own packages. The wheel puts files into their folders and carries
no ``__init__.py`` of theirs. Where it is installed, ``executor = airflow.executors.fargate_executor.FargateExecutor``
works, and Airflow knows the section ``[fargate]`` and the commands as it knows a provider's, and loads the plugin; the
short name needs the registration that ``scripts/overlay.py`` makes.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).parent


def oldest_boto3() -> str:
    """Return the requirement of boto3: at least the release that the tests of requests also run with."""
    lines = (HERE / "requirements" / "boto3-oldest.in").read_text(encoding="utf-8").splitlines()
    [pin] = [line for line in lines if line.startswith("boto3==")]
    return pin.replace("==", ">=")


setup(
    name="airflow-fargate-executor",
    version="0.1.0",
    description="FargateExecutor for Apache Airflow: each task instance in a container of its own on AWS Fargate",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Framework :: Apache Airflow",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(9, 15)),
        "Topic :: System :: Distributed Computing",
    ],
    python_requires=">=3.9",
    install_requires=[
        # No upper bound: it would take a newer Airflow back.
        "apache-airflow>=2.11",
        oldest_boto3(),
    ],
    extras_require={
        # What the option conn_id needs.
        "amazon": ["apache-airflow-providers-amazon"],
    },
    packages=find_namespace_packages(include=["airflow", "airflow.*"]),
    # What the wheel alone has lies with what stays here.
    package_dir={"": "scripts/tools/wheel", "airflow": "airflow"},
    py_modules=["airflow_fargate_executor"],
    entry_points={
        # How Airflow finds the options and, from 3.2 on, the commands.
        "apache_airflow_provider": ["provider_info=airflow_fargate_executor:provider_info"],
        # The buttons on the pages of task instances.
        "airflow.plugins": ["fargate=airflow.executors.fargate.ui.links:FargatePlugin"],
    },
    package_data={"airflow.config_templates": ["*.yml"]},
)

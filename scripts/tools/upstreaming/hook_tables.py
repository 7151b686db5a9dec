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
"""What is known of single hooks of Airflow's repository: where those that come from elsewhere are, and what cannot run."""

from __future__ import annotations

from typing import Any

# Repositories of hooks whose package is on the registry: its name there, and the program and files of each hook.
PACKAGES: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "codespell-project/codespell": ("codespell", {"codespell": {"entry": "codespell", "types": ["text"]}}),
    "adrienverge/yamllint": ("yamllint", {"yamllint": {"entry": "yamllint", "types": ["file", "yaml"]}}),
    "adamchainz/blacken-docs": (
        "blacken-docs",
        {"blacken-docs": {"entry": "blacken-docs", "files": r"\.(rst|md)$"}},
    ),
    "asottile/blacken-docs": (
        "blacken-docs",
        {"blacken-docs": {"entry": "blacken-docs", "files": r"\.(rst|md)$"}},
    ),
    "ikamensh/flynt": ("flynt", {"flynt": {"entry": "flynt", "types": ["python"]}}),
    "pre-commit/pre-commit-hooks": (
        "pre-commit-hooks",
        {
            "check-merge-conflict": {"entry": "check-merge-conflict", "types": ["text"]},
            "debug-statements": {"entry": "debug-statement-hook", "types": ["python"]},
            "check-builtin-literals": {"entry": "check-builtin-literals", "types": ["python"]},
            "check-executables-have-shebangs": {
                "entry": "check-executables-have-shebangs",
                "types": ["text", "executable"],
            },
            "check-xml": {"entry": "check-xml", "types": ["xml"]},
            "detect-private-key": {"entry": "detect-private-key", "types": ["text"]},
            "end-of-file-fixer": {"entry": "end-of-file-fixer", "types": ["text"]},
            "fix-encoding-pragma": {"entry": "fix-encoding-pragma", "types": ["python"]},
            "mixed-line-ending": {"entry": "mixed-line-ending", "types": ["text"]},
            "pretty-format-json": {"entry": "pretty-format-json", "types": ["json"]},
            "trailing-whitespace": {"entry": "trailing-whitespace-fixer", "types": ["text"]},
        },
    ),
}
# Hooks that are an expression which no line may match, on no registry: repository and version, and what each looks for.
EXPRESSIONS: dict[tuple[str, str], dict[str, dict[str, Any]]] = {
    ("pre-commit/pygrep-hooks", "1.10.0"): {
        "python-no-log-warn": {"entry": r"\.(?<!warnings\.)warn\(", "types": ["python"]},
        "rst-backticks": {"entry": r"^(?! {4})(.* )?`[^`]+`(?!_)", "types": ["rst"]},
    },
}
# Hooks of the repository's own that cannot say what is asked here, and why.
EXCUSED = {
    "check-usage-of-re2-over-re": "RE2 has no look-ahead, which our patterns use; Airflow 3 has dropped this rule",
    "check-hooks-apply": "checks the list of hooks, not the patch",
    "update-vendored-in-k8s-json-schema": "fetches the schema of Kubernetes from GitHub, of which the patch has nothing",
}
# What another row of the table says.
ELSEWHERE = {
    "insert-license": "see the row of licence headers",
    "check-default-configuration": "see the row of the default configuration",
    "mypy-airflow": "see the row of types",
    "mypy-airflow-core": "see the row of types",
}
# Hooks that see all of the repository, made to see the files of the patch; and one that mends, made to say what.
CHANGED = {
    "ruff": {"args": ["--output-format=concise"]},
    "ruff-format": {"entry": "ruff format --force-exclude --check", "pass_filenames": True},
}

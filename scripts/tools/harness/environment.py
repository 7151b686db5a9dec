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
The virtual environments that the demo and the tests run in, made from lock files.

Runs on the standard library alone, since a fresh machine has nothing else: the first environment
(``.venvs/tools``) gets uv through pip, and uv makes the others.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.harness import interruption

if TYPE_CHECKING:
    from tools.harness.releases import Release

REPOSITORY = Path(__file__).resolve().parents[3]
REQUIREMENTS = REPOSITORY / "requirements"
#: The environment of a process that imports the tools and the benches of the tests.
IMPORT_PATH = {"PYTHONPATH": os.pathsep.join((f"{REPOSITORY}/scripts", str(REPOSITORY)))}
VENVS = REPOSITORY / ".venvs"

# Where to look for a Python, the ones first that every release runs on.
PYTHON_NAMES = ("python3.12", "python3.11", "python3.10", "python3.13", "python3.14", "python3")


class InstallError(Exception):
    """An environment cannot be made; the message says why and what to do."""


def airflow_environment(release: Release) -> Path:
    """Make or reuse the environment of an Airflow release, with the overlay laid on it, and return its path."""
    with _exclusive():
        environment = _locked(f"airflow-{release.line}", release)
        lay_overlay(environment)
    return environment


def locked_environment(name: str, release: Release) -> Path:
    """Make or reuse the environment that ``requirements/<name>.lock`` pins, for a release's Python; return its path."""
    with _exclusive():
        return _locked(name, release)


def _locked(name: str, release: Release) -> Path:
    uv = tools_environment() / "bin" / "uv"
    lock = REQUIREMENTS / f"{name}.lock"
    environment = VENVS / name
    if not _is_current(environment, lock):
        _install(uv, environment, find_python(release), lock)
    return environment


def boto3_folder(which: str, environment: Path) -> Path:
    """Make or reuse a folder with another boto3, to stand on the path before that of an environment; return it."""
    folder, lock = VENVS / f"boto3-{which}", REQUIREMENTS / f"boto3-{which}.lock"
    with _exclusive():
        uv = tools_environment() / "bin" / "uv"
        if not _is_current(folder, lock, of=environment):
            shutil.rmtree(folder, ignore_errors=True)
            target = ("--target", folder, "--python", environment)
            _say(f"Installing {lock.stem} into {_shown(folder)}")
            _uv(uv, "pip", "install", *target, "--require-hashes", "-r", lock)
            _mark_current(folder, lock)
    return folder


def tools_environment() -> Path:
    """Make or reuse the environment that holds uv and ruff, and return its path."""
    environment = VENVS / "tools"
    lock = REQUIREMENTS / "tools.lock"
    if not _is_current(environment, lock):
        _say(f"Installing the tools into {_shown(environment)}")
        _run(sys.executable, "-m", "venv", "--clear", environment)
        python = environment / "bin" / "python"
        _run(python, "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes", "-r", lock)
        _mark_current(environment, lock)
    return environment


def find_python(release: Release) -> Path:
    """Return the first Python that the release runs on: the one running this, or one on PATH."""
    for candidate in (sys.executable, *PYTHON_NAMES):
        found = _ask_python(candidate)
        if found and release.oldest_python <= found[0] <= release.newest_python:
            return found[1]
    pythons = release.oldest_python, release.newest_python
    oldest, newest = (".".join(map(str, version)) for version in pythons)
    raise InstallError(
        f"Airflow {release.line} runs on Python {oldest} to {newest}, and none of them is on PATH. "
        f"Install one, for example python{newest}, and run this again."
    )


def _ask_python(candidate: str) -> tuple[tuple[int, int], Path] | None:
    """Run a Python for its version and path; a name on PATH can be a shim with nothing behind it."""
    question = "import sys; print(*sys.version_info[:2], sys.executable)"
    try:
        answer = subprocess.run(
            [candidate, "-c", question],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"(\d+) (\d+) (.+)", answer.stdout.strip())
    if answer.returncode or not match:
        return None
    return (int(match[1]), int(match[2])), Path(match[3])


def lay_overlay(environment: Path) -> None:
    """Lay the project's files on the environment's Airflow, as a user would."""
    _run(environment / "bin" / "python", REPOSITORY / "scripts" / "overlay.py", "apply", environment)


def build_wheel(environment: Path, folder: Path) -> Path:
    """Build the project's wheel into a folder, with the setuptools of an environment; return the wheel."""
    # From a copy, since setuptools leaves files where it builds.
    source = folder / "source"
    shutil.copytree(REPOSITORY, source, ignore=shutil.ignore_patterns(".*", "*.egg-info", "build", "dist"))
    uv = tools_environment() / "bin" / "uv"
    _uv(uv, "build", "--wheel", "--no-build-isolation", "--python", environment, "--out-dir", folder, source)
    return next(folder.glob("*.whl"))


def _install(uv: Path, environment: Path, python: Path, lock: Path) -> None:
    _say(f"Installing {lock.stem} into {_shown(environment)}")
    _uv(uv, "venv", "--clear", "--no-python-downloads", "--python", python, environment)
    # Copied, since the overlay edits files here that links would share with uv's cache.
    _uv(uv, "pip", "sync", "--python", environment, "--link-mode", "copy", "--require-hashes", lock)
    _mark_current(environment, lock)


def _uv(uv: Path, *arguments: str | Path) -> None:
    _run(uv, "--quiet", *arguments)


def _is_current(folder: Path, lock: Path, of: Path | None = None) -> bool:
    """Whether a folder holds what the lock pins, for the Python of an environment: its own, or another one."""
    stamp = folder / "installed-from"
    # The link to Python leads nowhere where the Python that it was made with is gone.
    python = (of or folder) / "bin" / "python"
    return stamp.exists() and stamp.read_text() == _digest(lock) and python.exists()


def _mark_current(environment: Path, lock: Path) -> None:
    (environment / "installed-from").write_text(_digest(lock))


def _digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


@contextmanager
def _exclusive() -> Iterator[None]:
    """Keep two scripts that run at once from making the same environment."""
    VENVS.mkdir(exist_ok=True)
    with (VENVS / ".lock").open("w") as lock:
        with interruption.waiting():
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str | Path) -> None:
    """Run a command quietly; what it said becomes the error where it fails."""
    done = interruption.run(
        command, stderr=subprocess.STDOUT, cwd=REPOSITORY, env=registry_settings() | os.environ
    )
    if done.returncode:
        raise InstallError(f"{' '.join(map(str, command))} failed:\n{done.stdout.strip()[-4000:]}")


def registry_settings() -> dict[str, str]:
    """Tell uv of the registry and certificates that pip's environment variables name; it reads only its own."""
    names = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_CERT": "SSL_CERT_FILE"}
    return {ours: os.environ[theirs] for theirs, ours in names.items() if theirs in os.environ}


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)

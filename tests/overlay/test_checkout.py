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
"""A source checkout takes all that a pull request needs, as one patch that git accepts."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import yaml
from tools.overlay.errors import OverlayError
from tools.overlay.installation import Installation, applied_number
from tools.overlay.layout import find_tree
from tools.overlay.papers import CORE, DOCUMENTATION
from tools.overlay.plan import Overlay
from tools.overlay.selection import CONFIG_TEMPLATE
from tools.overlay.yaml_text import load

from tests.overlay.checkouts import (
    DISTRIBUTED_METRICS,
    EXECUTORS,
    INDEX,
    LAYOUTS,
    LOADER_TEST,
    METRICS,
    REGISTRY,
    make_checkout,
    make_distribution,
    schema,
)
from tests.overlay.conftest import FILES, HEADER, PAPERS, REPOSITORY, put, snapshot


@pytest.fixture(params=sorted(LAYOUTS))
def layout(request):
    return LAYOUTS[request.param]


@pytest.fixture
def checkout(tmp_path, layout):
    """Return a checkout with everything that one can have, as a clean git repository."""
    root = make_checkout(tmp_path / "checkout", layout, "3.9.0.dev0", "pattern", metrics=True)
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Airflow")
    return root


def git(root, *arguments, given=None):
    who = ["-c", "user.name=Zoë Tester", "-c", "user.email=zoe@example.org"]
    command = ["git", "-C", root, *who, *arguments]
    return subprocess.run(command, input=given, check=True, capture_output=True, timeout=60).stdout.decode()


def installation_of(overlay, checkout):
    return Installation(overlay, find_tree(checkout))


def test_everything_lies_at_its_place(overlay, checkout, layout):
    """The layout that is found decides where each file goes; tests get the packages that such a tree has."""
    installation_of(overlay, checkout).apply()
    laid = {f"{layout.package}/{name}": content for name, content in FILES.items() if name != CONFIG_TEMPLATE}
    example = f"{layout.package}/example_dags/example_fargate_executor.py"
    laid[example] = (
        "import os\n\n# Why.\nfrom airflow.sdk import dag\nfrom airflow.standard import trigger\n\nDAG = dag\n"
    )
    for name, content in PAPERS.items():
        name = name.replace("tests/executors/", f"{layout.tests}/")
        laid[name.replace("docs/executor/", f"{layout.docs}/")] = content
    laid[f"{layout.tests}/fargate/__init__.py"] = HEADER
    new = git(checkout, "ls-files", "--others", "--exclude-standard").splitlines()
    assert set(new) - laid.keys() == {f"{layout.newsfragments}/6440.feature.rst"}
    assert {name: (checkout / name).read_text(encoding="utf-8") for name in laid} == laid


@pytest.mark.parametrize(
    "version, lines, base",
    [
        (
            "2.11.1",
            ["2_11", "3_0", "3_3"],
            "airflow.executors.fargate.bridge.older.airflow_2_11 import Base, Contract",
        ),
        ("3.1.0", ["3_3"], "airflow.executors.fargate.bridge.older.airflow_3_3 import Base, Contract"),
        ("3.4.0b2", [], "airflow.executors.base_executor import BaseExecutor as Base"),
        ("4.0.0.dev0", [], "airflow.executors.base_executor import BaseExecutor as Base"),
    ],
)
def test_lines_that_are_older_than_the_tree_stay_here(overlay, tmp_path, version, lines, base):
    """With their tests, and their folder where none is left; the module that tells them apart names the tree's own."""
    folder = overlay.root / "executors/fargate/bridge"
    for name in ("__init__.py", "older/__init__.py"):
        put(folder / name, HEADER + '"""Finds out."""\n')
    for line in ("2_11", "3_0", "3_3"):
        put(folder / f"older/airflow_{line}.py", "class Base:\n    pass\n")
        put(overlay.root.parent / f"tests/executors/fargate/test_airflow_{line}.py", "TEST = 3\n")
    layout = LAYOUTS["new"]
    checkout = make_checkout(tmp_path / "checkout", layout, version)
    installation_of(overlay, checkout).apply()
    laid = checkout / layout.package / "executors/fargate/bridge"
    assert sorted(path.name for path in laid.glob("older/*")) == ["__init__.py"] * bool(lines) + [
        f"airflow_{line}.py" for line in lines
    ]
    assert sorted(path.name for path in (checkout / layout.tests).rglob("test_airflow_*")) == [
        f"test_airflow_{line}.py" for line in lines
    ]
    text = (laid / "__init__.py").read_text()
    assert f"\nfrom {base}\n" in text
    for path in (laid / "__init__.py", *laid.glob("older/__init__.py")):
        assert path.read_text().startswith(HEADER)
        assert "Finds out" not in path.read_text()


def test_airflows_files_get_their_lines(overlay, checkout, layout):
    """What was edited is what has a rule, and no line of Airflow's is lost but those that became longer."""
    installation_of(overlay, checkout).apply()
    changed = git(checkout, "diff", "--numstat").splitlines()
    # Of the Airflow that the checkout is made around.
    release = tuple(int(number) for number in find_tree().version.split(".")[:2])
    assert {line.split("\t")[2]: int(line.split("\t")[1]) for line in changed} == {
        f"{layout.package}/executors/executor_constants.py": 0,
        f"{layout.package}/executors/executor_loader.py": 0,
        **({f"{layout.package}/cli/cli_parser.py": 0} if release >= (3, 2) else {}),
        f"{layout.package}/config_templates/config.yml": 1,
        f"{layout.tests}/test_executor_loader.py": 0,
        f"{layout.docs}/index.rst": 0,
        "chart/values.schema.json": 1,
        "chart/values.yaml": 1,
        f"{METRICS}/metrics_template.yaml": 0,
    }


def test_the_configuration_is_dated_and_named(overlay, checkout, layout):
    """Options are new in the release that the tree becomes; the help of [core] executor names the executor."""
    path = checkout / layout.package / "config_templates/config.yml"
    before = load(path.read_bytes())["core"]["options"]["executor"]
    installation_of(overlay, checkout).apply()
    after = load(path.read_bytes())
    assert {o["version_added"] for o in after["fargate"]["options"].values()} == {"3.9.0"}
    words = after["core"]["options"]["executor"].pop("description").split()
    assert words.pop(words.index("``CeleryExecutor``,") + 1) == "``FargateExecutor``,"
    assert words == before.pop("description").split()
    assert after["core"]["options"]["executor"] == before


def test_the_loaders_tests_take_the_name(overlay, checkout, layout):
    """In both tables, before KubernetesExecutor, where the order of the alphabet has it."""
    installation_of(overlay, checkout).apply()
    text = (checkout / layout.tests / "test_executor_loader.py").read_text()
    assert (
        '"CeleryExecutor",\n            "FargateExecutor",\n            "KubernetesExecutor",  # of' in text
    )
    assert '("FargateExecutor", "FargateExecutor"),\n            ("KubernetesExecutor", "Kub' in text
    assert "".join(line for line in text.splitlines(True) if "Fargate" not in line) == LOADER_TEST


def test_the_pages_are_in_the_toctree(overlay, checkout, layout):
    """The main page stands among the examples of its group; all pages are in a toctree, so that Sphinx finds them."""
    installation_of(overlay, checkout).apply()
    text = (checkout / layout.docs / "index.rst").read_text()
    ours = (
        "* :doc:`FargateExecutor <fargate>`\n\n.. toctree::\n    :hidden:\n\n    fargate\n    fargate-cli\n"
    )
    assert text == INDEX.replace("other>`\n", f"other>`\n{ours}")


@pytest.mark.parametrize("kind", ["enum", "pattern"])
def test_the_chart_admits_the_executor(overlay, tmp_path, layout, kind):
    """By itself and, where the chart takes several, beside others; what was admitted still is."""
    root = make_checkout(tmp_path / "checkout", layout, chart=kind)
    before = json.loads((root / "chart/values.schema.json").read_text())
    installation_of(overlay, root).apply()
    after = json.loads((root / "chart/values.schema.json").read_text())
    old, new = (s["properties"]["executor"].pop(kind) for s in (before, after))
    assert before == after
    if kind == "enum":
        assert sorted(new) == sorted([*old, "FargateExecutor"])
    else:
        admitted = [
            *EXECUTORS,
            "FargateExecutor",
            "FargateExecutor,CeleryExecutor",
            "LocalExecutor,FargateExecutor",
        ]
        assert all(re.match(new, name) for name in admitted)
        assert not any(re.match(new, name) for name in ("Fargate", "FargateExecutor,", "XFargateExecutor"))
    assert "CeleryKubernetesExecutor, FargateExecutor\n" in (root / "chart/values.yaml").read_text()


def test_a_chart_that_admits_any_name_keeps_its_schema(overlay, tmp_path, layout):
    """An edit that has nothing to do is none: the file is neither in the patch nor in the journal; the comment is."""
    root = make_checkout(tmp_path / "checkout", layout, chart="any")
    before = snapshot(root)
    installation = installation_of(overlay, root)
    assert b"chart/values.schema.json" not in installation.diff()
    report = installation.apply()
    assert not any("values.schema.json" in line for line in report.lines)
    assert snapshot(root)["chart/values.schema.json"] == before["chart/values.schema.json"]
    kept = {path.name for path in (root / ".fargate_overlay/originals/chart").iterdir()}
    assert kept == {"values.yaml"}
    text = (root / "chart/values.yaml").read_text()
    assert (
        "# One or multiple of: LocalExecutor, CeleryExecutor, KubernetesExecutor, FargateExecutor\n" in text
    )
    assert installation.status().settled
    assert installation.revert().lines[-1] == "reverted"
    assert snapshot(root) == before


def test_an_edit_that_is_no_longer_needed_is_taken_back(overlay, tmp_path):
    """As after an update of the tree, whose chart takes any name now: its own file stays as it came."""
    root = make_checkout(tmp_path / "checkout", LAYOUTS["new"], chart="pattern")
    installation_of(overlay, root).apply()
    put(root / "chart/values.schema.json", schema("any"))
    installation_of(overlay, root).apply()
    assert (root / "chart/values.schema.json").read_text() == schema("any")
    assert installation_of(overlay, root).status().settled
    installation_of(overlay, root).revert()
    assert (root / "chart/values.schema.json").read_text() == schema("any")


@pytest.mark.parametrize(
    "length, ours",
    [
        (93, ", CeleryKubernetesExecutor, FargateExecutor\n"),
        (94, ",\n# CeleryKubernetesExecutor, FargateExecutor\n"),
        # That of 3.0, which has no room for a comma.
        (110, ",\n# CeleryKubernetesExecutor, FargateExecutor\n"),
    ],
)
def test_the_charts_comment_stays_as_short_as_its_linter_asks(overlay, tmp_path, length, ours):
    """Where our name would make the line too long it goes on in another one."""
    root = make_checkout(tmp_path / "checkout", LAYOUTS["new"], chart="enum")
    path = root / "chart/values.yaml"
    [comment] = [line for line in path.read_text().splitlines() if line.startswith("# One of: ")]
    longer = comment.replace("# One of: ", "# One of: " + "X" * (length - len(comment) - 2) + ", ")
    path.write_text(path.read_text().replace(comment, longer))
    installation_of(overlay, root).apply()
    edited = path.read_text()
    assert ours in edited
    assert max(map(len, edited.splitlines())) <= 110


@pytest.mark.parametrize(
    "sdk, line",
    [
        (False, "from airflow.decorators import dag"),
        (True, "from airflow.sdk import dag\nfrom airflow.standard import trigger"),
    ],
)
def test_an_example_imports_from_where_its_tree_has_a_name(overlay, tmp_path, sdk, line):
    """A source tree is of one release, and its checks refuse what only others have; what it calls itself is no matter."""
    root = make_checkout(tmp_path / "checkout", LAYOUTS["old"], "4.0.0" if not sdk else "2.11.5", sdk=sdk)
    installation_of(overlay, root).apply()
    text = (root / "airflow/example_dags/example_fargate_executor.py").read_text()
    assert text == f"import os\n\n# Why.\n{line}\n\nDAG = dag\n"


def test_an_example_whose_fallback_is_elsewhere_is_told(overlay, checkout):
    """A mistake in our own file is not laid."""
    put(overlay.root / "example_dags/other.py", "import os  # Airflow 2\n")
    with pytest.raises(OverlayError, match="our own # Airflow 2 is not behind"):
        installation_of(overlay, checkout).apply()


def test_the_registry_takes_the_metrics(overlay, checkout):
    """Each after the last of its kind, with what the documentation's table says."""
    installation_of(overlay, checkout).apply()
    text = (checkout / METRICS / "metrics_template.yaml").read_text()
    assert [entry["name"] for entry in yaml.safe_load(text)["metrics"]] == [
        "a",
        "fargate_executor.ends",
        "b",
        "fargate_executor.lives",
        "c",
        "fargate_executor.lasts",
    ]
    assert yaml.safe_load(text)["metrics"][1] == {
        "name": "fargate_executor.ends",
        "description": 'What has "ended"',
        "type": "counter",
        "legacy_name": "-",
        "name_variables": [],
    }
    assert text.index("fargate_executor.ends") < text.index("# Gauges")


def test_the_newsfragment_is_named_by_the_pull_request(overlay, checkout, layout):
    """One line, as Airflow's own; another number takes the earlier one's place, and is remembered."""
    folder = checkout / layout.newsfragments
    installation_of(overlay, checkout).apply()
    assert (folder / "6440.feature.rst").read_text().count("\n") == 1
    installation_of(Overlay(overlay.root, 51234), checkout).apply()
    assert [path.name for path in folder.glob("*.rst")] == ["51234.feature.rst"]
    assert applied_number(find_tree(checkout)) == 51234


def test_revert_gives_back_every_file(overlay, checkout):
    """Nothing is left; git sees nothing but our change while it is applied, and applying twice changes nothing."""
    before = snapshot(checkout)
    installation = installation_of(overlay, checkout)
    installation.apply()
    once = snapshot(checkout)
    assert "nothing to do: applied already" in installation.apply().lines
    assert snapshot(checkout) == once
    assert installation.status().settled
    installation.revert()
    assert snapshot(checkout) == before


@pytest.mark.parametrize("applied", [False, True])
def test_git_applies_the_patch(overlay, checkout, tmp_path, applied):
    """To a clean tree, with the result that apply has; the tree that it is made from may have the overlay or not."""
    installation = installation_of(overlay, checkout)
    if applied:
        installation.apply()
    patch = installation.diff()
    clean = tmp_path / "clean"
    git(checkout, "clone", "--quiet", checkout, clean)
    git(clean, "apply", "--check", "-", given=patch)
    git(clean, "apply", "-", given=patch)
    if not applied:
        assert not git(checkout, "status", "--porcelain")
        installation.apply()
    for root in (checkout, clean):
        git(root, "add", "--all")
    assert git(clean, "write-tree") == git(checkout, "write-tree")


def test_git_takes_the_patch_as_a_series_of_commits(overlay, checkout):
    """With the author whom git in the tree takes, the messages as they were written, and the result that apply has."""
    git(checkout, "config", "user.name", "Jürgen Author")
    git(checkout, "config", "user.email", "author@example.org")
    installation = installation_of(overlay, checkout)
    git(checkout, "am", "--quiet", given=installation.diff(mail=True))
    written = git(
        checkout, "log", "--author=Jürgen Author <author@example.org>", "--reverse", "--format=%B%x00"
    )
    commits = [text.lstrip("\n") for text in written.split("\0")[:-1]]
    # Of the commands there is a commit where Airflow's parser is edited.
    assert commits[0] == f"{CORE.subject}\n\n{CORE.body}"
    assert commits[-1] == f"{DOCUMENTATION.subject}\n\n{DOCUMENTATION.body}"
    assert not git(checkout, "status", "--porcelain")
    committed = git(checkout, "rev-parse", "HEAD^{tree}")
    git(checkout, "reset", "--hard", "--quiet", f"HEAD~{len(commits)}")
    installation.apply()
    git(checkout, "add", "--all")
    assert git(checkout, "write-tree") == committed


@pytest.mark.parametrize(
    "options, begins", [([], b"diff --git "), (["--format-patch", "--pull-request=7"], b"From ")]
)
def test_the_command_prints_the_patch_and_nothing_else(overlay, checkout, options, begins):
    """As bytes that git takes from a pipe; the number reaches the newsfragment."""
    script = [sys.executable, REPOSITORY / "scripts/overlay.py", "diff", checkout, *options]
    git(checkout, "config", "user.name", "Author")
    git(checkout, "config", "user.email", "author@example.org")
    done = subprocess.run([*script, f"--repository={overlay.root.parent}"], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(begins)
    assert (b"newsfragments/7.feature.rst" in done.stdout) is bool(options)
    git(checkout, "apply", "--check", "-", given=done.stdout)


def test_the_command_refuses_what_it_does_not_know(overlay, checkout, layout):
    """With the message on the error stream, and nothing that git could take for a patch."""
    put(checkout / layout.docs / "index.rst", "Executors\n")
    script = [sys.executable, REPOSITORY / "scripts/overlay.py", "diff", checkout]
    done = subprocess.run([*script, f"--repository={overlay.root.parent}"], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"does not know this tree" in done.stderr


def test_links_are_refused(overlay, checkout):
    """A link to this repository is no part of a patch."""
    before = snapshot(checkout)
    with pytest.raises(OverlayError, match="takes copies"):
        installation_of(overlay, checkout).apply(link=True)
    assert snapshot(checkout) == before


UNKNOWN = [
    (
        "{tests}/test_executor_loader.py",
        "test_should_support_executor",
        "test_other",
        "no function test_should",
    ),
    (
        "{tests}/test_executor_loader.py",
        '"KubernetesExecutor",  # of a',
        "# ",
        "no parameter KubernetesExecutor",
    ),
    ("{tests}/test_executor_loader.py", '            "CeleryExecutor",\n', "", "is the first parameter"),
    ("{tests}/test_executor_loader.py", '"name"', '"FargateExecutor"', "stands there already"),
    ("{docs}/index.rst", "*Containerized Executors*", "*Others*", r"no group \*Containerized Executors\*"),
    ("{docs}/index.rst", "Each task", "*Containerized Executors*\n\nEach", r"more than one group"),
    ("{docs}/index.rst", "container.\n\n**Examples**:", "container.", r"no \*\*Examples\*\*"),
    ("{docs}/index.rst", "KubernetesExecutor", "K8sExecutor", "not a list with KubernetesExecutor"),
    ("{docs}/index.rst", "kubernetes>`\n", "kubernetes>`\n  for all\n", "no list of one line each"),
    ("{docs}/index.rst", "OtherExecutor", "FargateExecutor", "stands there already"),
    (
        "{package}/config_templates/config.yml",
        "``CeleryExecutor``,",
        "Celery,",
        "does not name ``CeleryExecutor``",
    ),
    ("{package}/config_templates/config.yml", "    executor:\n", "    runner:\n", "there is no one executor"),
    ("chart/values.schema.json", '"executor": {', '"runner": {', "no schema of the chart"),
    ("chart/values.schema.json", "CeleryKubernetesExecutor|", "", "neither one of a list nor a pattern"),
    ("chart/values.schema.json", '{\n    "prop', '\n    "prop', "no schema of the chart"),
    ("chart/values.yaml", "# One of:", "# Any of:", "no comment with KubernetesExecutor"),
    ("chart/values.yaml", ", KubernetesExecutor", ", K8sExecutor", "no comment with KubernetesExecutor"),
    ("chart/values.yaml", "# Which executor", "# One of: KubernetesExecutor", "more than one comment"),
    ("{metrics}/metrics_template.yaml", "metrics:\n", "numbers:\n", "there is no one metrics"),
    ("{metrics}/metrics_template.yaml", 'type: "gauge"', 'type: "counter"', "there is no gauge to follow"),
    ("{metrics}/metrics_template.yaml", '"c"', '"fargate_executor.lasts"', "stand there already"),
    (
        "{metrics}/metrics_template.yaml",
        'legacy_name: "-"\n',
        'legacy: "-"\n',
        "not of the form that ours have",
    ),
]


@pytest.mark.parametrize("name", sorted({name for name, *_ in UNKNOWN}))
def test_an_unknown_checkout_is_refused(overlay, tmp_path, name):
    """One message says which place was not found beyond doubt, and nothing in the tree is other than before."""
    layout = LAYOUTS["new"]
    root = make_checkout(tmp_path / "checkout", layout, chart="pattern", metrics=True)
    path = root / name.format(**vars(layout), metrics=METRICS)
    text = path.read_text(encoding="utf-8")
    for old, new, message in [row for changed, *row in UNKNOWN if changed == name]:
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        before = snapshot(root)
        for act in (Installation.apply, Installation.diff):
            with pytest.raises(OverlayError, match=message):
                act(installation_of(overlay, root))
        assert snapshot(root) == before, message


@pytest.mark.parametrize("part", ["tests", "docs", "newsfragments"])
def test_a_part_that_is_missing_is_named(tmp_path, layout, part):
    """A checkout without its tests, or whose documentation has moved on, is not guessed at."""
    root = make_checkout(tmp_path / "checkout", layout)
    folder = root / getattr(layout, part)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(OverlayError, match=f"no .*{getattr(layout, part)}"):
        find_tree(root)


def test_parts_may_have_moved_at_different_times(overlay, tmp_path):
    """Each is looked for by itself, as it was while Airflow's repository was being turned about."""
    old, new = LAYOUTS["old"], LAYOUTS["new"]
    root = make_checkout(tmp_path / "checkout", new)
    (root / old.docs).parent.mkdir(parents=True)
    (root / new.docs).rename(root / old.docs)
    installation_of(overlay, root).apply()
    assert (root / old.docs / "fargate.rst").is_file()
    assert (root / new.tests / "test_fargate_executor.py").is_file()


def test_a_source_distribution_takes_what_its_package_needs(overlay, tmp_path):
    """Airflow's own tests, pages and chart are not there to be edited; ours lie where the core of a checkout has them."""
    root = make_distribution(tmp_path / "core")
    laid = [line.split() for line in installation_of(overlay, root).apply().lines]
    edited = {words[1].strip(":") for words in laid if words[0] == "~"}
    assert edited - {"src/airflow/cli/cli_parser.py"} == {
        "src/airflow/executors/executor_constants.py",
        "src/airflow/executors/executor_loader.py",
        "src/airflow/config_templates/config.yml",
        f"{DISTRIBUTED_METRICS}/metrics_template.yaml",
    }
    assert (root / "tests/unit/executors/test_fargate_executor.py").is_file()
    example = (root / "src/airflow/example_dags/example_fargate_executor.py").read_text()
    # The Task SDK is a distribution of its own.
    assert "from airflow.sdk import dag" in example


def test_a_part_at_two_places_is_refused(tmp_path):
    """The overlay does not choose."""
    root = make_checkout(tmp_path / "checkout", LAYOUTS["new"])
    put(root / LAYOUTS["old"].tests / "test_executor_loader.py", LOADER_TEST)
    with pytest.raises(
        OverlayError, match="at more than one place: tests/executors, airflow-core/tests/unit"
    ):
        find_tree(root)


def test_a_page_without_metrics_is_told(overlay, checkout):
    """A mistake in our own file is not called the tree's."""
    put(overlay.root.parent / "docs/executor/fargate.rst", "Fargate Executor\n")
    with pytest.raises(OverlayError, match="no table of metrics") as refused:
        installation_of(overlay, checkout).apply()
    assert "does not know this tree" not in str(refused.value)


def test_a_registry_that_ends_without_a_line_end(overlay, tmp_path):
    """It is refused, not glued together."""
    root = make_checkout(tmp_path / "checkout", LAYOUTS["old"], metrics=True)
    put(root / METRICS / "metrics_template.yaml", REGISTRY.rstrip("\n"))
    with pytest.raises(OverlayError, match="does not end with its line"):
        installation_of(overlay, root).apply()

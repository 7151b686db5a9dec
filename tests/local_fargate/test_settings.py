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
from __future__ import annotations

import json

from parameterized import parameterized
from tools.simulator.settings import (
    AWS_RATE_LIMITS,
    Fault,
    Pretend,
    RateLimit,
    Settings,
    SettingsError,
    Span,
)

MISTAKES = [
    ("not an object", [], "settings: must be an object, not []"),
    ("unknown key", {"provisioning": 1}, "provisioning: is unknown; known are provisioning_time"),
    ("negative time", {"provisioning_time": -1}, "provisioning_time: must be seconds, or [from, to], not -1"),
    ("bounds the wrong way", {"stopping_time": [2, 1]}, "stopping_time: must be seconds"),
    ("three bounds", {"stopping_time": [1, 2, 3]}, "stopping_time: must be seconds"),
    ("time in words", {"missing_for": "1"}, "missing_for: must be seconds"),
    ("true is no number", {"missing_for": True}, "missing_for: must be seconds"),
    ("endless", {"stopped_retention": float("inf")}, "stopped_retention: must be a number of at least 0"),
    ("negative quota", {"vcpu_quota": -1}, "vcpu_quota: must be a number of at least 0, not -1"),
    ("latency of a list", {"latency": [1]}, "latency: must be an object of operation and seconds"),
    ("latency of an operation", {"latency": {"RunTask": "x"}}, "latency.RunTask: must be seconds"),
    (
        "limit without a rate",
        {"rate_limits": [{"operations": [], "burst": 1}]},
        "rate_limits[0].rate: is missing",
    ),
    ("another word", {"rate_limits": "gcp"}, "rate_limits: must be a list, not 'gcp'"),
    (
        "burst too small",
        {"rate_limits": [{"operations": ["RunTask"], "rate": 1, "burst": 0}]},
        "rate_limits[0].burst: must be a number of at least 1, not 0",
    ),
    ("fault without a kind", {"faults": [{}]}, "faults[0].kind: is missing"),
    ("unknown kind", {"faults": [{"kind": "x"}]}, "faults[0].kind: must be one of throttle, "),
    ("kind in a list", {"faults": [{"kind": ["reset"]}]}, "faults[0].kind: must be one of throttle, "),
    ("nothing that is a number", {"missing_for": float("nan")}, "missing_for: must be seconds"),
    ("second fault", {"faults": [{"kind": "reset"}, 1]}, "faults[1]: must be an object, not 1"),
    (
        "more than certain",
        {"faults": [{"kind": "reset", "probability": 2}]},
        "faults[0].probability: must be a number",
    ),
    ("half a time", {"faults": [{"kind": "reset", "times": 0.5}]}, "faults[0].times: must be a whole number"),
    (
        "status that is none",
        {"faults": [{"kind": "error", "status": 200}]},
        "faults[0].status: must be a whole number",
    ),
    (
        "no path",
        {"faults": [{"kind": "edit", "edits": {"tasks[0]": 1}}]},
        "faults[0].edits: must be an object",
    ),
    ("path to items", {"faults": [{"kind": "edit", "edits": {"tasks[]": 1}}]}, "faults[0].edits: must be an"),
    ("edits in a list", {"faults": [{"kind": "edit", "edits": []}]}, "faults[0].edits: must be an object of"),
    (
        "unknown exit code",
        {"pretend": {"exit_codes": 256}},
        "pretend.exit_codes: must be an exit code from 0 to 255",
    ),
    ("weight of nothing", {"pretend": {"exit_codes": {"1": 0}}}, "pretend.exit_codes: must be an exit code"),
    ("exit codes in a list", {"pretend": {"exit_codes": [1]}}, "pretend.exit_codes: must be an exit code"),
    ("seed in words", {"seed": "x"}, "seed: must be a whole number, not 'x'"),
]


def mistakes(given):
    """Return the mistakes that are found in settings."""
    try:
        Settings.from_json(given)
    except SettingsError as error:
        return error.mistakes
    return []


class TestSettings:
    def test_a_mistake_names_its_key(self):
        """Each mistake is told with the key, what it must be and what it is."""
        told = {name: mistakes(given) for name, given, _ in MISTAKES}
        unlike = {
            name: told[name]
            for name, _, message in MISTAKES
            if len(told[name]) != 1 or not told[name][0].startswith(message)
        }
        assert unlike == {}

    def test_all_mistakes_are_told_at_once(self):
        """Not only the first one."""
        assert len(mistakes({"seed": "x", "missing_for": -1, "faults": [{"kind": "x", "y": 1}]})) == 4

    @parameterized.expand(
        [
            ("number", {"missing_for": 2}, "missing_for", Span(2, 2)),
            ("bounds", {"missing_for": [1, 2.5]}, "missing_for", Span(1, 2.5)),
            ("aws", {"rate_limits": "aws"}, "rate_limits", AWS_RATE_LIMITS),
            (
                "limits",
                {"rate_limits": [{"operations": ["RunTask"], "rate": 1, "burst": 2}]},
                "rate_limits",
                (RateLimit(("RunTask",), 1, 2),),
            ),
            ("fault", {"faults": [{"kind": "reset", "times": 3}]}, "faults", (Fault("reset", times=3),)),
            ("exit code", {"pretend": {"exit_codes": 3}}, "pretend", Pretend(exit_codes=((3, 1.0),))),
            (
                "exit codes",
                {"pretend": {"exit_codes": {"0": 3, "1": 1}}},
                "pretend",
                Pretend(exit_codes=((0, 3.0), (1, 1.0))),
            ),
            ("log that is late", {"log_lag": 2.5}, "log_lag", 2.5),
            ("log with empty pages", {"log_empty_pages": 2}, "log_empty_pages", 2),
            ("no pretence", {"pretend": None}, "pretend", None),
        ]
    )
    def test_what_is_given_is_taken(self, _, given, name, value):
        """JSON's values become the settings' own."""
        assert getattr(Settings.from_json(given), name) == value

    def test_they_survive_a_round_trip(self):
        """What ``to_json`` writes, ``from_json`` reads."""
        settings = Settings.from_json(
            {
                "provisioning_time": [1, 2],
                "latency": {"*": 0.1},
                "rate_limits": "aws",
                "pretend": {"duration": [1, 2], "exit_codes": {"0": 1, "7": 2}},
                "faults": [
                    {"kind": "spot_interruption", "after": [1, 2], "times": 1},
                    {"kind": "edit", "edits": {"tasks[].stopCode": None}},
                ],
                "log_lag": 1.5,
                "log_empty_pages": 1,
                "seed": 1,
            }
        )
        assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings

    def test_what_is_not_named_stays(self):
        """Changes are laid over the settings that hold."""
        base = Settings.from_json({"seed": 5, "missing_for": 1})
        assert Settings.from_json({"missing_for": 2}, base) == Settings(seed=5, missing_for=Span(2, 2))

    @parameterized.expand(
        [
            ("first bucket", AWS_RATE_LIMITS[0], ("RunTask", "StartTask", "StopTask"), 40, 100),
            ("second bucket", AWS_RATE_LIMITS[1], ("DescribeTasks", "ListTasks"), 20, 100),
            ("third bucket", AWS_RATE_LIMITS[2], ("GetLogEvents",), 25, 25),
        ]
    )
    def test_awss_limits(self, _, limit, operations, rate, burst):
        """The numbers of AWS's page on request throttling."""
        assert limit == RateLimit(operations, rate, burst)

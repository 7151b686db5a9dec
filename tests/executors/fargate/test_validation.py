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
"""What AWS would refuse is refused before it is sent, and what AWS accepts is not."""

from __future__ import annotations

import copy
import json

import pytest
from botocore.validate import ParamValidator

from airflow.executors.fargate.errors import RequestError

PASSWORD = "hunter2-is-no-password"


VALID = {
    "cluster": "fleet",
    "taskDefinition": "airflow:1",
    "launchType": "FARGATE",
    "startedBy": "airflow",
    "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    "overrides": {"containerOverrides": [{"name": "airflow", "command": ["run"]}]},
}


NETWORK = "networkConfiguration.awsvpcConfiguration"


def nested(path, value):
    """Return a dict with a value at a path such as ``a.b[].c``; a list gets this one item."""
    for part in reversed(path.split(".")):
        value = {part[:-2]: [value]} if part.endswith("[]") else {part: value}
    return value


def request_with(*parts):
    """Return the valid request with these parts; None removes a member."""
    request = copy.deepcopy(VALID)
    for part in parts:
        request.update(copy.deepcopy(part))
    return {member: value for member, value in request.items() if value is not None}


def overrides(**members):
    return {"overrides": {"containerOverrides": [{"name": "airflow"}], **members}}


def container(**members):
    return {"overrides": {"containerOverrides": [{"name": "airflow", **members}]}}


def network(**members):
    return {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], **members}}}


def strategy(*items, **first):
    items = [{"capacityProvider": "FARGATE_SPOT", **first}, *items] if first or not items else list(items)
    return {"launchType": None, "capacityProviderStrategy": items}


def tags(*pairs):
    return {"tags": [{"key": key, "value": value} for key, value in pairs]}


def volume(**members):
    return {
        "volumeConfigurations": [
            {"name": "data", "managedEBSVolume": {"roleArn": "arn:aws:iam::1:role/a", **members}}
        ]
    }


def overrides_of_size(size):
    """Return overrides whose JSON without spaces has this many characters."""
    made = container(environment=[{"name": "A", "value": ""}])["overrides"]
    missing = size - len(json.dumps(made, separators=(",", ":")))
    made["containerOverrides"][0]["environment"][0]["value"] = "ä" * missing
    return {"overrides": made}


def refused(check, request):
    """Return the message with which a request is refused."""
    with pytest.raises(RequestError) as caught:
        check(request)
    return str(caught.value)


#: What botocore's validator accepts and AWS does not: (change, part of the message).
BEYOND_THE_VALIDATOR = {
    "launch type": ({"launchType": "LAMBDA"}, "launchType is not one of "),
    "tags from nowhere": ({"propagateTags": "CLUSTER"}, "propagateTags is not one of "),
    "tags from a service": ({"propagateTags": "SERVICE"}, "propagateTags"),
    "strategy of placement": (
        {"placementStrategy": [{"type": "spread"}, {"type": "x"}]},
        "placementStrategy[1].type",
    ),
    "no container at all": ({"count": 0}, "count"),
    "two containers": ({"count": 2}, "count"),
    "truth as count": ({"count": True}, "count is a boolean"),
    "truth as memory": (container(memory=True), "overrides.containerOverrides[0].memory is a boolean"),
    "more than 32 bits": (container(memory=2**31), "overrides.containerOverrides[0].memory"),
    "long group": ({"group": "g" * 513}, "group"),
    "51 tags": (tags(*((f"k{n}", "v") for n in range(51))), "tags"),
    "the same tag twice": (tags(("a", "1"), ("a", "2")), "tags has a key twice"),
    "tag with a long key": (tags(("k" * 129, "v")), "tags[0].key"),
    "tag with a long value": (tags(("a", "b"), ("k", "v" * 257)), "tags[1].value"),
    "tag without a key": ({"tags": [{"value": "v"}]}, "tags has an item without a key"),
    "tag of AWS": (tags(("aws:team", "v")), "aws:"),
    "tag of AWS in capitals": (tags(("AWS:team", "v")), "aws:"),
    "value of AWS": (tags(("team", "aws:v")), "aws:"),
    "tag with odd characters": (tags(("team?", "v")), "tags"),
    "value with odd characters": (tags(("team", "a;b")), "tags"),
    "launch type and strategy": (
        strategy() | {"launchType": "FARGATE"},
        "launchType and capacityProviderStrategy",
    ),
    "21 providers": (
        strategy(*({"capacityProvider": f"p{n}"} for n in range(21))),
        "capacityProviderStrategy",
    ),
    "heavy provider": (strategy(weight=1001), "capacityProviderStrategy[0].weight"),
    "two bases": (strategy({"capacityProvider": "FARGATE", "base": 1}, base=1), "capacityProviderStrategy"),
    "no subnets": (network(subnets=[]), f"{NETWORK}.subnets"),
    "17 subnets": (network(subnets=[f"subnet-{n}" for n in range(17)]), f"{NETWORK}.subnets"),
    "6 security groups": (network(securityGroups=[f"sg-{n}" for n in range(6)]), f"{NETWORK}.securityGroups"),
    "little storage": (overrides(ephemeralStorage={"sizeInGiB": 20}), "overrides.ephemeralStorage.sizeInGiB"),
    "much storage": (overrides(ephemeralStorage={"sizeInGiB": 201}), "overrides.ephemeralStorage.sizeInGiB"),
    "large overrides": (overrides_of_size(8193), "overrides has 8193 characters"),
    "container without a name": (
        {"overrides": {"containerOverrides": [{"memory": 1}]}},
        "overrides.containerOverrides",
    ),
    "container with an odd name": (container(name="two words"), "overrides.containerOverrides"),
    "container with a long name": (container(name="c" * 256), "overrides.containerOverrides"),
    "container twice": (
        {"overrides": {"containerOverrides": [{"name": "a"}, {"name": "a"}]}},
        "overrides.containerOverrides names a container twice",
    ),
    "11 constraints": (
        {"launchType": "EC2", "placementConstraints": [{"type": "distinctInstance"}] * 11},
        "placementConstraints has more than 10 items",
    ),
    "6 strategies": (
        {"launchType": "EC2", "placementStrategy": [{"type": "random"}] * 6},
        "placementStrategy has more than 5 items",
    ),
    "constraint on Fargate": (
        {"placementConstraints": [{"type": "distinctInstance"}]},
        "placementConstraints chooses among instances, which Fargate does not have",
    ),
    "placement on Fargate Spot": (
        strategy() | {"placementStrategy": [{"type": "random"}]},
        "placementStrategy chooses among instances, which Fargate does not have",
    ),
    "no network on Fargate": ({"networkConfiguration": None}, "networkConfiguration has no subnets"),
    "no network on Fargate Spot": (
        strategy() | {"networkConfiguration": None},
        "networkConfiguration has no subnets",
    ),
    "volume": (volume(filesystemType="fat"), "volumeConfigurations[0].managedEBSVolume.filesystemType"),
    "51 tags of a volume": (
        volume(tagSpecifications=[{"resourceType": "volume", **tags(*((f"k{n}", "v") for n in range(51)))}]),
        "volumeConfigurations[0].managedEBSVolume.tagSpecifications[0].tags",
    ),
}


#: What botocore's validator finds.
FOR_THE_VALIDATOR = {
    "nothing": ({"taskDefinition": None}, "taskDefinition"),
    "unknown member": ({"taskdefinition": "x"}, "taskdefinition"),
    "number as text": (container(memory="512"), "overrides.containerOverrides[0].memory"),
    "no subnets": ({"networkConfiguration": {"awsvpcConfiguration": {}}}, "subnets"),
    "negative weight": (strategy(weight=-1), "capacityProviderStrategy[0].weight"),
}


#: Members in the wrong place, and the sentence that names the right one.
MISPLACED = {
    "cpu": ({"cpu": "1024"}, 'cpu belongs in overrides: write {"overrides": {"cpu": ...}}'),
    "environment": (
        {"environment": [{"name": "A", "value": PASSWORD}]},
        (
            "environment belongs in the override of a container: "
            'write {"overrides": {"containerOverrides": [{"environment": ...}]}}'
        ),
    ),
    "Kubernetes' pod": (
        {"pod_override": object()},
        (
            'pod_override is for the KubernetesExecutor: write run_task members, such as {"overrides": '
            '{"cpu": "1024", "memory": "2048"}}'
        ),
    ),
    "Kubernetes' dict": (
        {"KubernetesExecutor": {"image": "i"}},
        "KubernetesExecutor is for the KubernetesExecutor",
    ),
}


@pytest.fixture
def known(service_model):
    """Return a function that skips a test of what the oldest botocore does not know: volumes."""
    members = service_model.operation_model("RunTask").input_shape.members

    def skip(change):
        if "volumeConfigurations" in change and "volumeConfigurations" not in members:
            pytest.skip("this botocore knows no volumes")

    return skip


class TestCheck:
    @pytest.mark.parametrize(
        ("change", "named"), BEYOND_THE_VALIDATOR.values(), ids=list(BEYOND_THE_VALIDATOR)
    )
    def test_finds_what_the_validator_misses(self, change, named, check, service_model, known):
        """What only AWS refuses is refused here, and the member is named."""
        known(change)
        request = request_with(change)
        report = ParamValidator().validate(request, service_model.operation_model("RunTask").input_shape)
        assert not report.has_errors()
        assert named in refused(check, request)

    @pytest.mark.parametrize(("change", "named"), FOR_THE_VALIDATOR.values(), ids=list(FOR_THE_VALIDATOR))
    def test_finds_what_the_validator_finds(self, change, named, check):
        """What botocore's validator finds is in the same error, and the member is named."""
        assert named in refused(check, request_with(change))

    @pytest.mark.parametrize(("change", "named"), MISPLACED.values(), ids=list(MISPLACED))
    def test_says_where_a_member_belongs(self, change, named, check):
        """A member of another place or another executor is named once, with its place and without its value."""
        message = refused(check, request_with(change))
        assert named in message
        assert "Unknown parameter" not in message
        assert PASSWORD not in message

    def test_reports_all_mistakes_of_a_request(self, check):
        """One message has all of them, so that they can be corrected together."""
        message = refused(check, request_with({"count": 3, "group": "g" * 513}, tags(("aws:x", ""))))
        for member in ("count", "group", "tags"):
            assert member in message

    def test_changes_nothing(self, check):
        """The request stays the same."""
        request = request_with(network(), tags(("a", "b")))
        before = copy.deepcopy(request)
        check(request)
        assert request == before


def paths(shape, path=""):
    """Yield every place in a request, down to the last member."""
    if path:
        yield path
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from paths(member, f"{path}.{name}" if path else name)
    elif shape.type_name == "list":
        yield from paths(shape.member, f"{path}[]")


ODD = [
    PASSWORD,
    {"a": PASSWORD},
    {PASSWORD.encode()},
    f"x, type: <class 'str'>, valid types: {PASSWORD}, value: {PASSWORD}",
    f"first\n{PASSWORD}, value: y, valid min value: 1",
    Exception(PASSWORD),
    PASSWORD * 100,
]


class TestSecrets:
    @pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
    def test_values_are_never_shown(self, odd, check, service_model):
        """At each place of a request, a secret of a wrong type or against the rules is not repeated."""
        places = list(paths(service_model.operation_model("RunTask").input_shape))
        assert len(places) > 50
        refusals = 0
        for place in places:
            # With another secret beside it, which must not be in the report either.
            request = request_with(
                container(environment=[{"name": "P", "value": PASSWORD}]), nested(place, odd)
            )
            try:
                check(request)
            except RequestError as error:
                refusals += 1
                text = f"{error} {error!r}"
            else:
                text = ""
            if PASSWORD in text:
                raise AssertionError(f"{place} shows its value: {text}")
        assert refusals > 20

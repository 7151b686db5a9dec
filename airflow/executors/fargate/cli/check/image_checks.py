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
"""Checks of the images of a task definition, in private registries of ECR. Others are not looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.executors.fargate.cli.check.checks import (
    ADVICE,
    FAILED,
    FROM_INSIDE,
    OK,
    UNKNOWN,
    Row,
    not_looked_at,
)
from airflow.executors.fargate.cli.check.questions import Question, question

if TYPE_CHECKING:
    from airflow.executors.fargate.cli.asking import Answer
    from airflow.executors.fargate.cli.check.facts import Facts

#: An image in a private registry of ECR.
#: https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws)/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)
#: Lists of manifests, one for each platform, and manifests of one image.
#: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-manifest-formats.html
MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
#: Architectures, by those of a task definition's ``runtimePlatform``, of which the first is Fargate's default.
#: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RuntimePlatform.html
ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
NO_REPOSITORY = "RepositoryNotFoundException"
NOT_PRIVATE_ECR = "not looked at: only private registries of Amazon ECR are"


def image_questions(facts: Facts) -> Iterable[Question]:
    """Yield a question for each image in a private registry of ECR."""
    for image in _images(facts):
        if asked := _question(image):
            yield asked


def _images(facts: Facts) -> Sequence[str]:
    return list(dict.fromkeys(str(one.get("image")) for one in facts.containers))


def _question(image: str) -> Question | None:
    parts = ECR.fullmatch(image)
    if not parts:
        return None
    digest = {"imageDigest": parts["digest"]}
    wanted = digest if parts["digest"] else {"imageTag": parts["tag"] or "latest"}
    return question(
        "ecr",
        "BatchGetImage",
        parts["region"],
        registryId=parts["account"],
        repositoryName=parts["repository"],
        imageIds=[wanted],
        acceptedMediaTypes=list(MEDIA_TYPES),
    )


def check_images(facts: Facts) -> Iterable[Row]:
    """Check that the images exist, and that they are there for the platform of the task definition."""
    for image in _images(facts):
        asked = _question(image)
        if asked is None:
            yield Row("image", UNKNOWN, f"{image}, {NOT_PRIVATE_ECR}", FROM_INSIDE)
        else:
            yield from _check_image(facts, image, asked, facts.answers.get(asked))


def _check_image(facts: Facts, image: str, asked: Question, answer: Answer | None) -> Iterable[Row]:
    found = answer.response if answer else {}
    codes = [str(one.get("failureCode")) for one in found.get("failures") or ()]
    if answer and answer.error == NO_REPOSITORY:
        codes = [NO_REPOSITORY]
    if codes:
        remedy = "Push it, or correct the image in the task definition"
        yield Row("image", FAILED, f"there is no {image}: {', '.join(codes)}", remedy)
    elif answer is None or answer.error or not found.get("images"):
        yield not_looked_at("image", answer, asked.action)
    else:
        yield _check_registry(facts, image)
        yield _check_platform(facts, image, found["images"][0])


def _check_registry(facts: Facts, image: str) -> Row:
    """Say if the image is in the registry of another account or Region, which is allowed."""
    parts = ECR.fullmatch(image)
    if parts and facts.account_id and parts["account"] != facts.account_id:
        found = f"{image}, in the registry of another account"
        return Row(
            "image", ADVICE, found, "Check that the repository's policy allows the execution role to pull it"
        )
    if parts and parts["region"] != facts.region:
        found = f"{image}, in {parts['region']} and not in {facts.region}"
        return Row(
            "image", ADVICE, found, "Replicate it: a pull from another Region takes longer and costs more"
        )
    return Row("image", OK, image)


def _check_platform(facts: Facts, image: str, found: Mapping[str, Any]) -> Row:
    check, wanted = "image platform", _wanted_platform(facts)
    try:
        manifests = json.loads(found.get("imageManifest") or "{}").get("manifests")
    except ValueError:
        manifests = None
    if not manifests:
        text = f"not looked at: the manifest of {image} does not name its platform; wanted is {wanted}"
        return Row(check, UNKNOWN, text, FROM_INSIDE)
    platforms = [one.get("platform") or {} for one in manifests]
    there = [f"{one.get('os')}/{one.get('architecture')}" for one in platforms]
    if wanted in there:
        return Row(check, OK, f"{wanted}, which {image} has")
    known = ", ".join(name for name in dict.fromkeys(there) if not name.startswith("unknown"))
    remedy = "Push one for this platform, or correct the definition's runtimePlatform"
    return Row(check, FAILED, f"{wanted} is wanted, and {image} has {known or 'none'}", remedy)


def _wanted_platform(facts: Facts) -> str:
    """Return system and architecture as in a manifest."""
    platform = facts.definition.get("runtimePlatform") or {}
    system = str(platform.get("operatingSystemFamily") or "LINUX").partition("_")[0].lower()
    architecture = str(platform.get("cpuArchitecture") or next(iter(ARCHITECTURES)))
    return f"{system}/{ARCHITECTURES.get(architecture, architecture)}"

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
What AWS's words mean, and what to do about them: the table, and the sentences that are made with it. Pure.

A row is found by the leading word of what AWS says: an error code, a stop code, the reason of a failure or
the type of a container's error. If a leading word has several meanings, a phrase tells them apart. A phrase
must not match a name that users choose, such as a role's, a family's or a container's. Such a name has no
space, so each phrase has one. Phrases are searched in AWS's own words, never in the reason that a user gave to
StopTask.

Sources, in addition to those at single rows:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#API_RunTask_Errors
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow.executors.fargate.aws.verdict import Verdict

#: The reason that ``airflow fargate stop`` gives to StopTask.
STOPPED_BY_COMMAND = "Stopped with airflow fargate stop"
#: The stopped reason of an ECS task whose Spot capacity was taken back.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html
SPOT_INTERRUPTED = "Your Spot Task was interrupted"
#: The leading word of a statement, if it begins with one. Prefixes are skipped before it: a stop code, and the
#: beginning of a service event.
_LEADING_WORD = re.compile(
    r"(?:TaskFailedToStart: |\(?service [^ ]+ was unable to place a task\. Reason: )*([A-Za-z]\w*(?![\w-]))?"
)
_SUBNET = re.compile(r"\bsubnet-[0-9a-f]+")


@dataclass(frozen=True)
class Explanation:
    """A row of the table."""

    #: The leading words that it fits, separated by spaces; empty for any.
    leading: str
    #: The phrase that it fits, regardless of case; empty if the leading word is enough.
    phrase: str
    meaning: str
    remedy: str
    #: What to do with a launch for which nothing was started. None: it has failed if RunTask raised an error,
    #: and is launched again otherwise.
    verdict: Verdict | None = None


NO_CAPACITY, AWAY = Verdict.NO_CAPACITY, Verdict.AWAY
_PULL = (
    "CannotPullContainerError CannotPullContainer CannotPullECRContainerError CannotPullImageManifestError"
)
_CREATE = "CannotStartContainerError CannotStartContainer CannotCreateContainerError"
_START = f"{_CREATE} ContainerRuntimeError"
_INIT = "ResourceInitializationError"
#: The leading words of the reason of a container that never ran, whatever its exit code is.
NEVER_STARTED = frozenset(f"{_PULL} {_INIT} {_CREATE}".split())
_DENIED = "AccessDeniedException AccessDenied NotAuthorized UnauthorizedOperation"
_INVALID = "InvalidParameterException ClientException"
#: The leading words with which ECS passes on an error of EC2: in RunTask's error, in a failure, or as the
#: reason of an ECS task without a network interface.
_AROUND_EC2_ERROR = f"{_INVALID} Error Unexpected"
_RETRIES = "Give the Airflow task retries"
_SUPPORT = "Give the Airflow task retries; if it comes again, ask AWS Support about the ECS task"
_QUOTA = "Ask AWS for a higher quota, or lower Airflow's parallelism"
_ROUTE = "Check that the subnets reach it: a public IP in public subnets, a NAT gateway or VPC endpoints in private ones; and the security groups"
_NOTHING = "Nothing, if it passes; else see the AWS Health Dashboard"
_CAPACITY = "Add capacity to the cluster"

#: A row a line: leading words, phrases separated by ``|``, meaning, remedy and, if AWS's words decide it, the
#: verdict. :func:`explain` uses the first row that fits, :func:`verdict_of` the first of these with a verdict.
# fmt: off
_TABLE: tuple[tuple[Any, ...], ...] = (
    # Temporarily unavailable. EC2's codes:
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    ("AGENT", "", "the agent of the cluster's container instance is not connected", "Check the ECS agent on the container instances", AWAY),
    ("", 'encountered error "AGENT"', "the agent of the cluster's container instance is not connected", "Check the ECS agent on the container instances", AWAY),
    (_AROUND_EC2_ERROR, ": RequestLimitExceeded|Request limit exceeded", "EC2 throttles the calls that ECS makes in this account", _NOTHING, AWAY),
    (_AROUND_EC2_ERROR, ": AuthFailure", "EC2 does not accept the credentials of ECS at the moment", _NOTHING, AWAY),
    (_AROUND_EC2_ERROR, ": Unavailable|: ServiceUnavailable", "EC2 is not available at the moment", _NOTHING, AWAY),
    (_AROUND_EC2_ERROR, ": InternalFailure|: InternalError", "EC2 had an error of its own", _NOTHING, AWAY),
    # Not EC2's words, but those of services with AWS's newer throttling. THROTTLED counts if RunTask itself
    # raises it; where RunTask was accepted, outcome.py makes it AWAY.
    (_AROUND_EC2_ERROR, ": Throttling|Rate exceeded", "AWS throttles the calls that ECS makes in this account", _NOTHING, Verdict.THROTTLED),

    # No capacity, a quota that is used up, or no free address.
    (_AROUND_EC2_ERROR, ": InsufficientFreeAddressesInSubnet", "{subnet} has no free addresses", "Free some in it, or add other subnets to [fargate] subnets", NO_CAPACITY),
    (_AROUND_EC2_ERROR, ": NetworkInterfaceLimitExceeded", "the account's quota of network interfaces is used up", "Ask AWS for a higher quota, or delete those that are not in use", NO_CAPACITY),
    ("", "number of vCPUs", "the account's quota of Fargate vCPUs is used up", _QUOTA, NO_CAPACITY),
    ("", "number of tasks you can run concurrently", "the account's quota of ECS tasks on Fargate is used up", _QUOTA, NO_CAPACITY),
    ("", "configuration is above your limit", "the account's quota of Fargate vCPUs is smaller than the size of the ECS task", "Ask AWS for a higher quota, or give the task a smaller size", NO_CAPACITY),
    ("", "Tasks provisioning capacity limit exceeded|in the PROVISIONING state", "the cluster has as many ECS tasks in PROVISIONING as AWS allows", "Nothing, if it passes when some have started; else add capacity to the cluster", NO_CAPACITY),
    ("", "Capacity is unavailable", "AWS has no capacity at the moment", "Add subnets in other Availability Zones", NO_CAPACITY),
    ("", "EMPTY CAPACITY PROVIDER", "the capacity provider has no instances", "Check the capacity provider's Auto Scaling group", NO_CAPACITY),
    ("", "NO ACTIVE INSTANCES", "the capacity provider has no instance that is active", "Check the capacity provider's Auto Scaling group", NO_CAPACITY),
    ("", "No Container Instances were found", "the cluster has no instances to run the ECS task on", "Register instances with the cluster, or check [fargate] launch_type, capacity_provider_strategy and cluster", NO_CAPACITY),
    ("RESOURCE", "", "the instances of the cluster lack the resources for the ECS task", _CAPACITY, NO_CAPACITY),

    # What the instances of a cluster lack permanently.
    ("ATTRIBUTE", "", "no container instance of the cluster has what the task definition asks for", "Check the attributes that the task definition requires"),
    ("", "is missing an attribute required by your task", "no container instance of the cluster has what the task definition asks for", "Check the attributes that the task definition requires"),
    ("MemberOf", "placement constraint unsatisfied", "no container instance of the cluster meets the placement constraint", "Check placementConstraints of the request and of the task definition"),
    ("LOCATION", "", "no container instance of the cluster is in the right Availability Zone", "Add capacity to the cluster in the Availability Zones of the subnets"),
    ("INACTIVE", "", "the container instance is no longer registered", _CAPACITY),
    ("", "no container instance met all of its requirements", "the instances of the cluster lack the resources for the ECS task", _CAPACITY, NO_CAPACITY),

    # Roles. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/infrastructure_IAM_role.html
    ("", "ECS Infrastructure Role|assume the infrastructure role", "ECS may not use the infrastructure role", "Check that the role exists, that its trust policy names ecs.amazonaws.com, and what it allows"),
    ("", "service linked role", "the account does not have the service-linked role of ECS", "Create it with aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"),
    ("", "unable to assume the role", "ECS may not use a role of the task definition", "Check that the role exists, and that its trust policy names ecs-tasks.amazonaws.com"),

    # The image. The execution role pulls it, not the scheduler's.
    (_PULL, ": AccessDeniedException|is not authorized to perform", "the execution role may not pull the image", "Allow the execution role ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; the repository's policy must admit it, too"),
    (_PULL, "403 Forbidden", "the registry refuses the image to the execution role", "Allow the execution role to pull it, or name credentials for the registry in repositoryCredentials; an endpoint's policy must admit it, too"),
    (_PULL, "pull access denied", "the image is not there, or the registry refuses it", "Check the image's name, and credentials for the registry in repositoryCredentials"),
    (_PULL, "no basic auth credentials", "the registry asks for credentials", "Give the task definition an execution role that may pull the image, or repositoryCredentials"),
    (_PULL, "unable to retrieve ecr registry auth", "the execution role cannot get access to Amazon ECR", "Allow it ecr:GetAuthorizationToken; and check that the subnets reach ECR"),
    (_PULL, "pull rate limit|toomanyrequests: |429 Too Many Requests", "the registry limits how often its images are pulled", "Give the registry's credentials in repositoryCredentials, or keep the image in Amazon ECR"),
    (_PULL, "no space left on device", "the image does not fit on the ECS task's storage", "Raise [fargate] ephemeral_storage, or make the image smaller"),
    (_PULL, "descriptor matching platform|no matching manifest for", "the image is not made for the processor of the ECS task", "Build it for that platform, or set cpuArchitecture in the task definition's runtimePlatform"),
    (_PULL, "no such host", "the registry's name is not known in the VPC", "Check the image's name, and that the VPC resolves DNS names"),
    (_PULL, "i/o timeout|while waiting for connection|context canceled|context deadline exceeded|There is a connection issue", "the registry was not reached", _ROUTE),
    (_PULL, " not found|manifest unknown|does not exist|The task can't find the image", "there is no such image", "Check its name and its tag in the task definition"),
    (_PULL, "invalid reference format", "the image's name is not valid", "Correct it in the task definition"),
    (_PULL, "", "the image could not be pulled", "Check the image's name and tag, the execution role's permissions on the registry, and that the subnets reach it (public IP, NAT gateway or VPC endpoints)"),

    # What ECS prepares before a container starts.
    (f"{_START} {_INIT}", "executable file not found", "the entry point or the command of the image is not there", "Check the entry point of the image and of the task definition, and what is on its PATH"),
    (_START, "no such file or directory", "the entry point or the command of the image is not there", "Check the entry point of the image and of the task definition"),
    (_START, "permission denied", "the entry point of the image may not be executed", "Make it executable in the image"),
    (_START, "exec format error", "the image is not made for the processor of the ECS task", "Build it for that platform, or set cpuArchitecture in the task definition's runtimePlatform"),
    (_START, "dependency graph:", "a container that it depends on did not reach the condition of dependsOn", "See the other containers' reasons and exit codes, and dependsOn in the task definition"),
    (_START, "failed to initialize logging driver", "the container's log could not be opened", "Check logConfiguration: the log group, the execution role's logs:CreateLogStream, and that the subnets reach CloudWatch Logs"),
    (_CREATE, "", "the container could not be started", "Check the entry point and the command of the image, and the log configuration"),
    ("CannotCreateVolumeError", "", "a volume could not be made", "Check the volumes of the task definition, and that the subnets reach them"),
    (_INIT, "EFS utils", "an EFS file system could not be mounted", "Check its id and access point, that its mount targets' security group allows NFS (port 2049) from the task's one, that the VPC resolves DNS names, and elasticfilesystem:ClientMount of the task role"),
    (_INIT, "retrieve ecr registry auth", "the execution role cannot get access to Amazon ECR", "Allow it ecr:GetAuthorizationToken; and check that the subnets reach ECR"),
    (f"{_INIT} ResourceNotFoundException", "retrieve secret|secret data from", "a secret of the task definition could not be read", "Check its name, the execution role's secretsmanager:GetSecretValue, ssm:GetParameters and kms:Decrypt, and that the subnets reach those services"),
    (_INIT, "logger args|logging driver", "the container's log could not be opened", "Check that the log group exists, the execution role's logs:CreateLogStream, and that the subnets reach CloudWatch Logs"),
    (_INIT, "download env files", "a file of environmentFiles could not be read", "Check its name, the execution role's s3:GetObject, and that the subnets reach Amazon S3"),
    (_INIT, "configure ENI", "the network interface could not be made ready", _RETRIES + "; if it comes again, check that the VPC resolves DNS names"),
    (_INIT, "", "Fargate could not prepare the ECS task", "Check the execution role, the secrets and log group that the task definition names, and that the subnets reach those services"),

    # The network interface. Errors of EC2 come first.
    (_AROUND_EC2_ERROR, ": InvalidSubnetID.NotFound", "{subnet} does not exist in this Region and account", "Check [fargate] subnets and region, and the networkConfiguration of the task and its queue"),
    (_AROUND_EC2_ERROR, ": InvalidGroup.NotFound|: InvalidSecurityGroupID.NotFound", "a security group does not exist in this Region and account", "Check [fargate] security_groups and region, and the networkConfiguration of the task and its queue"),
    ("", "Create Network Interface", "the network interface could not be made", "Check the subnets and security groups; if it comes again, ask AWS Support about the ECS task"),
    ("", "network interface provisioning", "the network interface was not ready in time", _RETRIES + "; if it comes again, check the account's quota of network interfaces"),

    # The end of a container that ran.
    ("OutOfMemoryError OutOfMemory", "", "the container ran out of memory", "Give the task more memory, with executor_config or in the task definition"),
    ("ContainerRuntimeTimeoutError DockerTimeoutError", "", "the container was not started or ended in time", _SUPPORT),
    ("ContainerRuntimeError", "", "the container's runtime failed", _SUPPORT),
    ("CannotStopContainerError", "", "the container could not be stopped", _SUPPORT),
    ("CannotInspectContainerError", "", "AWS cannot tell how the container ended", "Read the last lines of its log"),

    # The permissions of the scheduler's role, which makes the calls.
    (_DENIED, "perform: ecs:TagResource", "the scheduler's role may not tag ECS tasks", "Allow ecs:TagResource on the tasks of the cluster, or set [fargate] tag_tasks = False and leave tags empty"),
    (_DENIED, "perform: ecs:RunTask", "the scheduler's role may not launch this task definition", "Allow ecs:RunTask on the task definition"),
    (_DENIED, "perform: iam:PassRole", "the scheduler's role may not pass on a role of the task definition", "Allow iam:PassRole on its task and execution roles"),
    (_INVALID, "perform: iam:PassRole", "the scheduler's role may not pass on a role of the task definition", "Allow iam:PassRole on its task and execution roles"),
    (_DENIED, "", "the scheduler's role lacks a permission", "Allow what AWS names"),

    # The request.
    ("", "ARN and resource ID format must be enabled|Long arn format must be", "the account has not opted in to the long ARN format, which tags need", "Opt in: aws ecs put-account-setting-default --name taskLongArnFormat --value enabled; or set [fargate] tag_tasks = False and leave tags and propagate_tags empty"),
    (_INVALID, "Assign public IP is not supported", "only an ECS task on Fargate can ask for a public IP address, and this one is to run elsewhere", "Empty [fargate] assign_public_ip, or name where tasks run with launch_type or capacity_provider_strategy"),
    (_INVALID, "Network Configuration must be provided", "the task definition's network mode is awsvpc, which needs subnets", "Set [fargate] subnets"),
    (_INVALID, "Network Configuration is not valid", "the task definition's network mode is not awsvpc, the only one to have subnets", "Leave [fargate] subnets empty, or change the network mode"),
    (_INVALID, "specified capacity provider", "a capacity provider cannot be used", "Check its name, and that the cluster has it"),
    (_INVALID, "is not a container in the TaskDefinition", "an override names a container that the task definition does not have", "Correct the name in the executor_config of the task, or [fargate] container_name"),
    (_INVALID, "TaskDefinition is inactive", "the task definition cannot be used: it is not active", "Name an active revision in [fargate] task_definition"),
    (_INVALID, "TaskDefinition not found|Unable to describe task definition", "there is no such task definition in this Region and account", "Check [fargate] task_definition and region"),
    (_INVALID, "Task definition does not support launch_type", "the task definition does not suit the launch type", "Add the launch type to its requiresCompatibilities, or check [fargate] launch_type"),
    ("ClusterNotFoundException", "", "there is no such cluster in this Region and account", "Check [fargate] cluster and region"),
    ("BlockedException", "", "AWS has blocked the account", "Ask AWS Support"),
    ("PlatformUnknownException", "", "there is no such platform version", "Check [fargate] platform_version"),
    ("PlatformTaskDefinitionIncompatibilityException", "", "the platform version does not offer what the task definition asks for", "Check [fargate] platform_version"),
    ("UnsupportedFeatureException", "", "this Region does not offer what the request asks for", "See the request with airflow fargate render"),

    # Why AWS stopped the ECS task, if nothing above says more.
    ("", "ECS is performing maintenance on the underlying infrastructure", "AWS maintained the host of the ECS task", _RETRIES),
    ("SpotInterruption SpotInterruptionError", "", "the Spot capacity was taken back, or there was none", "Give the Airflow task retries, or use on-demand capacity", NO_CAPACITY),
    ("", SPOT_INTERRUPTED, "the Spot capacity was taken back, or there was none", "Give the Airflow task retries, or use on-demand capacity", NO_CAPACITY),
    ("InfrastructureHealth", "", "AWS stopped the ECS task, since the infrastructure below it was not healthy", _RETRIES),
    ("TerminationNotice", "", "AWS took back the host of the ECS task", _RETRIES),
    ("Host", "EC2 (instance", "the instance of the ECS task was stopped or terminated", _RETRIES),
    ("ServiceSchedulerInitiated", "", "AWS stopped the ECS task by itself", _RETRIES),
    ("Stopped", STOPPED_BY_COMMAND, "it was stopped with airflow fargate stop", "Airflow retries the task instance if it has retries left"),
    ("UserInitiated", "", "somebody stopped the ECS task", "See AWS CloudTrail for who called StopTask"),
    ("InternalError", "", "AWS had an error of its own", _SUPPORT),
    ("TaskFailedToStart", "", "AWS could not start the ECS task", "See the ECS task's page in the AWS console"),
    (_INVALID, "", "AWS refuses the call", "Correct what AWS names; airflow fargate render shows a task's request"),
)
#: Meaning and remedy by exit code, as shells and container runtimes use them: above 128, a signal's number
#: plus 128.
EXIT_CODES = {
    126: ("the command could not be executed", "Check that the image's entry point may be executed"),
    127: ("the command was not found", "Check that the image has Airflow and Python on its PATH, and its entry point"),
    137: ("it was killed (SIGKILL)", "Check whether it needs more memory, or more time to end after SIGTERM than its stopTimeout"),
    139: ("it crashed (SIGSEGV)", "Look for a native library that does not suit the image"),
    143: ("it was told to end (SIGTERM)", "See the exit codes of the other containers: if an essential one ends, ECS ends all"),
}
# fmt: on
ANY_EXIT = "its command failed", "Read the container's last lines in the task's event log, or all of its log"
#: A row for each phrase.
EXPLANATIONS = tuple(
    Explanation(leading, phrase, *rest) for leading, phrases, *rest in _TABLE for phrase in phrases.split("|")
)


@dataclass(frozen=True)
class Statement:
    """One thing that AWS says, such as a stop code or a container's reason."""

    words: str
    #: The container that it is about; empty for the main container and for the ECS task.
    container: str = ""
    #: Whether a user may have written it. Then it is shown, but never searched for an explanation.
    quoted: bool = False

    def __str__(self) -> str:
        return f"{self.container}: {self.words}" if self.container else self.words


def leading_word(words: str) -> str:
    """Return the word that a statement of AWS begins with; empty if it does not begin with a word."""
    found = _LEADING_WORD.match(words)
    return (found and found[1]) or ""


def fits(row: Explanation, statement: Statement) -> bool:
    """Tell whether a row of the table explains a statement."""
    if statement.quoted or row.phrase.casefold() not in statement.words.casefold():
        return False
    return not row.leading or leading_word(statement.words) in row.leading.split()


def verdict_of(statements: Sequence[Statement]) -> Verdict | None:
    """Return what to do with a launch for which nothing was started; None if AWS's words do not decide it."""
    rows = (row for row in EXPLANATIONS if row.verdict and any(fits(row, part) for part in statements))
    return next((row.verdict for row in rows), None)


def explain(statements: Sequence[Statement], exit_code: int | None = None) -> str:
    """
    Return a text with what happened, AWS's words, and what to do.

    :param statements: what AWS says. Words that the table does not know are shown as they are.
    :param exit_code: the main container's, if AWS's words do not say why it ended.
    """
    parts = [part for part in statements if part.words.strip(" .")]
    # AWS often sends the same reason for a container and for the ECS task.
    words = "; ".join(dict.fromkeys(str(part).strip().rstrip(".") for part in parts)) or "AWS gave no reason"
    found = next(((row, part) for row in EXPLANATIONS for part in parts if fits(row, part)), None)
    if found is not None:
        row, part = found
        subnet = _SUBNET.search(part.words)
        meaning = row.meaning.replace("{subnet}", f"subnet {subnet.group()}" if subnet else "a subnet")
        meaning, remedy = f"container {part.container}: {meaning}" if part.container else meaning, row.remedy
    elif exit_code is not None:
        meaning, remedy = EXIT_CODES.get(exit_code, ANY_EXIT)
    else:
        return f"{words}."
    return f"{meaning[0].upper()}{meaning[1:]} (AWS: {words}). {remedy}."

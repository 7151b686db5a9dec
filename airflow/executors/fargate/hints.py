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
"""AWS's words, explained: what happened, and what to do about it."""

from __future__ import annotations

#: A sign in AWS's words, what it means, what to do about it; the first that fits is told.
HINTS = (
    (
        "CannotPullContainer",
        "the image could not be pulled",
        (
            "Check the image's name and tag, the execution role's permissions on the registry, and that the "
            "subnets reach it (public IP, NAT gateway or VPC endpoints)"
        ),
    ),
    (
        "OutOfMemory",
        "the container ran out of memory",
        "Give the task more memory, with executor_config or in the task definition",
    ),
    (
        "ResourceInitializationError",
        "Fargate could not prepare the task",
        (
            "Check the execution role, the secrets and log group that the task definition names, and that the "
            "subnets reach those services"
        ),
    ),
    (
        "CannotStartContainer",
        "the container could not be started",
        "Check the entry point and the command of the image, and the log configuration",
    ),
    (
        "network interface",
        "the network interface could not be made or attached",
        "Check that the subnets have free addresses, and the account's quota of network interfaces",
    ),
    (
        "number of vCPUs",
        "the account's quota of Fargate vCPUs is used up",
        "Ask AWS for a higher quota, or lower Airflow's parallelism",
    ),
    (
        "number of tasks you can run concurrently",
        "the account's quota of Fargate tasks is used up",
        "Ask AWS for a higher quota, or lower Airflow's parallelism",
    ),
    (
        "unable to assume the role",
        "ECS may not use a role of the task definition",
        "Check that the role exists, and that its trust policy names ecs-tasks.amazonaws.com",
    ),
    (
        "service linked role",
        "the account does not have the role that ECS itself works with",
        "Make it with aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
    ),
    (
        "InvalidSubnetID.NotFound",
        "a subnet does not exist in this Region and account",
        "Check [fargate] subnets and region, and the networkConfiguration of the task and its queue",
    ),
    (
        "InvalidGroup.NotFound",
        "a security group does not exist in this Region and account",
        "Check [fargate] security_groups and region, and the networkConfiguration of the task and its queue",
    ),
    (
        "Assign public IP is not supported",
        "only a task on Fargate can ask for a public IP address, and this one is to run elsewhere",
        "Empty [fargate] assign_public_ip, or name where tasks run with launch_type or capacity_provider_strategy",
    ),
    (
        "Network Configuration must be provided",
        "the task definition's network mode is awsvpc, which needs subnets",
        "Set [fargate] subnets",
    ),
    (
        "Network Configuration is not valid",
        "the task definition's network mode is not awsvpc, the only one to have subnets",
        "Leave [fargate] subnets empty, or change the network mode",
    ),
    (
        "No Container Instances were found",
        "the cluster has no instances to run the task on",
        (
            "Register instances with the cluster, or check [fargate] launch_type, capacity_provider_strategy and "
            "cluster"
        ),
    ),
    (
        "Capacity is unavailable",
        "AWS has no capacity at the moment",
        "Add subnets in other Availability Zones",
    ),
    (
        "EMPTY CAPACITY PROVIDER",
        "the capacity provider has no instances",
        "Check the capacity provider's Auto Scaling group",
    ),
    ("RESOURCE:", "the cluster has no room for the task", "Add capacity to the cluster"),
    (
        "maintenance",
        "AWS maintained the host of the container",
        "Give the Airflow task retries",
    ),
    (
        "SpotInterruption",
        "the Spot capacity was taken back, or there was none",
        "Give the Airflow task retries, or use on-demand capacity",
    ),
    (
        "TerminationNotice",
        "AWS took back the host of the container",
        "Give the Airflow task retries",
    ),
    (
        "ServiceSchedulerInitiated",
        "AWS stopped the container by itself",
        "Give the Airflow task retries",
    ),
    (
        "UserInitiated",
        "somebody stopped the container",
        "See AWS CloudTrail for who called StopTask",
    ),
    (
        "ContainerRuntimeError",
        "the container's runtime failed",
        "Give the Airflow task retries; if it comes again, ask AWS Support about the container",
    ),
    (
        "InternalError",
        "AWS had an error of its own",
        "Give the Airflow task retries; if it comes again, ask AWS Support about the container",
    ),
    (
        "perform: ecs:TagResource",
        "the scheduler's role may not tag tasks",
        "Allow ecs:TagResource on the tasks of the cluster, or set [fargate] tag_tasks = False and leave tags empty",
    ),
    (
        "perform: ecs:RunTask",
        "the scheduler's role may not launch this task definition",
        "Allow ecs:RunTask on the task definition",
    ),
    (
        "perform: iam:PassRole",
        "the scheduler's role may not pass on a role of the task definition",
        "Allow iam:PassRole on its task and execution roles",
    ),
    (
        "AccessDenied",
        "the scheduler's role lacks a permission",
        "Allow what AWS names; airflow fargate check tells what is missing",
    ),
    (
        "specified capacity provider",
        "a capacity provider cannot be used",
        "Check its name, and that the cluster has it; airflow fargate check looks for it",
    ),
    (
        "ClusterNotFound",
        "there is no such cluster in this Region and account",
        "Check [fargate] cluster and region",
    ),
    (
        "is not a container in the TaskDefinition",
        "an override names a container that the task definition does not have",
        "Correct the name in the executor_config of the task, or [fargate] container_name",
    ),
    (
        "BlockedException",
        "AWS has blocked the account",
        "Ask AWS Support",
    ),
    (
        "PlatformUnknown",
        "there is no such platform version",
        "Check [fargate] platform_version",
    ),
    (
        "PlatformTaskDefinitionIncompatibility",
        "the platform version does not offer what the task definition asks for",
        "Check [fargate] platform_version",
    ),
    (
        "UnsupportedFeature",
        "this Region does not offer what the request asks for",
        "See the request with airflow fargate render",
    ),
    (
        "TaskDefinition",
        "the task definition cannot be used",
        "Check [fargate] task_definition, that it is active, and that it suits the launch type",
    ),
    (
        "ATTRIBUTE",
        "no container instance of the cluster has what the task definition asks for",
        "Check the attributes that the task definition requires",
    ),
    (
        "LOCATION",
        "no container instance of the cluster is in the right Availability Zone",
        "Add capacity to the cluster",
    ),
    (
        "AGENT",
        "the agent of the cluster's container instance is not connected",
        "Check the ECS agent on the container instances",
    ),
    (
        "TaskFailedToStart",
        "AWS could not start the container",
        "See the container's page in the AWS console",
    ),
    # What stands in the answer to a call that AWS refuses, whatever the reason: the last to be looked for.
    *(
        (
            code,
            "AWS refuses the call",
            "Correct what AWS names; airflow fargate render shows a task's request",
        )
        for code in ("InvalidParameterException", "ClientException")
    ),
)
#: What an exit code says of a command, as shells and container runtimes have it: above 128 a signal's number.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
EXIT_CODES = {
    126: ("the command could not be executed", "Check that the image's entry point may be executed"),
    127: (
        "the command was not found",
        "Check that the image has Airflow and Python on its PATH, and its entry point",
    ),
    137: (
        "it was killed (SIGKILL)",
        "Look whether it needs more memory, or longer to end after SIGTERM than stopTimeout gives it",
    ),
    139: ("it crashed (SIGSEGV)", "Look for a native library that does not suit the image"),
    143: (
        "it was told to end (SIGTERM)",
        "See the exit codes of the other containers: where one that is essential ends, ECS ends all",
    ),
}
ANY_EXIT = "its command failed", "Read the container's last lines in the task's event log, or all of its log"


def explain(told: str, exit_code: int | None = None) -> str:
    """
    Put AWS's words into a sentence: what happened, what AWS said, what to do.

    :param exit_code: of the container, where it has one: it counts where AWS's words say no more than that it ended.
    """
    told = told.strip().rstrip(".") or "AWS gave no reason"
    for sign, meaning, remedy in HINTS:
        if sign in told:
            return _sentence(meaning, told, remedy)
    if exit_code is None:
        return f"{told}."
    meaning, remedy = EXIT_CODES.get(exit_code, ANY_EXIT)
    return _sentence(meaning, told, remedy)


def _sentence(meaning: str, told: str, remedy: str) -> str:
    return f"{meaning[0].upper()}{meaning[1:]} (AWS: {told}). {remedy}."

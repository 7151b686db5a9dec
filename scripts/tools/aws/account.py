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
"""What a deployment needs that is the whole account's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

#: The role by which ECS acts in the account. CloudFormation does not make it, and a cluster with capacity providers needs it;
#: RDS and Elastic Load Balancing make theirs themselves.
#: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
#: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAM.ServiceLinkedRoles.html
#: https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-service-linked-roles.html
ECS_ROLE, ECS = "AWSServiceRoleForECS", "ecs.amazonaws.com"
#: Seconds after which ECS can use a role that was just made. Before, CloudFormation's first cluster with capacity providers may
#: fail with "Unable to assume the service linked role":
#: https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/818
ROLE_DELAY = 15.0


def has_ecs_role(iam: Any) -> bool:
    """Whether the account has the service-linked role of ECS."""
    try:
        iam.get_role(RoleName=ECS_ROLE)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return False
        raise
    return True


def make_ecs_role(iam: Any, sleep: Callable[[float], None] = time.sleep) -> None:
    """Make that role, which somebody else may have done meanwhile, and wait until ECS can use it."""
    try:
        iam.create_service_linked_role(AWSServiceName=ECS)
    except ClientError as error:
        if "has been taken" not in str(error) and "already exists" not in str(error):
            raise
    sleep(ROLE_DELAY)

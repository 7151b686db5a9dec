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
What ministack cannot show of the templates, each with the reason. The documentation's table is made from it.

tests/aws/test_stacks.py fails for a row that is not necessary any more.
"""

from __future__ import annotations

#: A type of resource and its property. What these come to is tested from the template alone, and seen on AWS only.
PROPERTIES = {
    "AWS::EC2::VPCEndpoint.PrivateDnsEnabled": "EC2's answer does not have it",
    "AWS::EC2::VPCEndpoint.SecurityGroupIds": "EC2's answer does not have them",
    "AWS::ECR::Repository.EmptyOnDelete": "It tells CloudFormation how to delete, and no service",
    "AWS::ECS::Service.HealthCheckGracePeriodSeconds": "CloudFormation drops it",
    "AWS::ECS::Service.PropagateTags": "CloudFormation drops it",
    "AWS::ECS::Service.ServiceRegistries": "CloudFormation drops them",
    "AWS::ECS::TaskDefinition.ContainerDefinitions.Secrets": "CloudFormation drops them",
    "AWS::ECS::TaskDefinition.RuntimePlatform": "CloudFormation drops it",
    "AWS::ElasticLoadBalancingV2::ListenerRule.Tags": "CloudFormation drops them",
    "AWS::RDS::DBInstance.DeleteAutomatedBackups": "It tells CloudFormation how to delete, and no service",
    "AWS::RDS::DBInstance.MasterUserPassword": "RDS never returns a password",
    "AWS::S3::Bucket.Tags": "CloudFormation drops them",
    "AWS::SecretsManager::Secret.GenerateSecretString.ExcludePunctuation": "CloudFormation drops it",
}
#: Types of resources that ministack's CloudFormation does not know.
TYPES = {"AWS::EC2::SecurityGroupIngress": "CloudFormation refuses a whole template that makes one"}

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
"""The options of other executors, so that a test can tell whether each of them is told of."""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """
    A section of options: ``get_provider_info()["config"][name]["options"]`` of a package and version.

    :param lock: the lock file in ``requirements/`` that has this version
    """

    package: str
    version: str
    lock: str
    options: tuple[str, ...]


_AMAZON = ("apache-airflow-providers-amazon", "9.39.0", "airflow-3.4-benchmark.lock")
_KUBERNETES = ("apache-airflow-providers-cncf-kubernetes", "10.25.0", "upstream-2.11.lock")
_CELERY = ("apache-airflow-providers-celery", "3.26.0", "upstream-2.11.lock")

#: By its name in ``airflow.cfg``.
SECTIONS = {
    "aws_ecs_executor": Section(
        *_AMAZON,
        (
            "conn_id",
            "region_name",
            "assign_public_ip",
            "cluster",
            "capacity_provider_strategy",
            "container_name",
            "launch_type",
            "platform_version",
            "security_groups",
            "subnets",
            "task_definition",
            "max_run_task_attempts",
            "run_task_kwargs",
            "check_health_on_startup",
        ),
    ),
    "aws_batch_executor": Section(
        *_AMAZON,
        (
            "conn_id",
            "region_name",
            "max_submit_job_attempts",
            "check_health_on_startup",
            "job_name",
            "job_queue",
            "job_definition",
            "submit_job_kwargs",
        ),
    ),
    "kubernetes_executor": Section(
        *_KUBERNETES,
        (
            "api_client_retry_configuration",
            "logs_task_metadata",
            "running_pod_log_lines",
            "pod_template_file",
            "worker_container_repository",
            "worker_container_tag",
            "namespace",
            "delete_worker_pods",
            "delete_worker_pods_on_failure",
            "worker_pod_pending_fatal_container_state_reasons",
            "worker_pods_creation_batch_size",
            "async_pod_creation",
            "pod_creation_max_concurrency",
            "multi_namespace_mode",
            "multi_namespace_mode_namespace_list",
            "in_cluster",
            "cluster_context",
            "config_file",
            "client_factory",
            "async_client_factory",
            "kube_client_request_args",
            "delete_option_kwargs",
            "enable_tcp_keepalive",
            "tcp_keep_idle",
            "tcp_keep_intvl",
            "tcp_keep_cnt",
            "verify_ssl",
            "ssl_ca_cert",
            "task_publish_max_retries",
            "pod_launch_failure_retries",
            "pod_launch_failure_excluded_container_reasons",
        ),
    ),
    "celery": Section(
        *_CELERY,
        (
            "celery_app_name",
            "worker_concurrency",
            "mp_start_method",
            "mp_forkserver_preload",
            "worker_autoscale",
            "worker_prefetch_multiplier",
            "worker_enable_remote_control",
            "json_logs",
            "task_logs_to_stdout",
            "broker_url",
            "result_backend",
            "result_backend_sqlalchemy_engine_options",
            "flower_host",
            "flower_url_prefix",
            "flower_port",
            "flower_basic_auth",
            "sync_parallelism",
            "celery_config_options",
            "ssl_active",
            "ssl_mutual_tls",
            "ssl_key",
            "ssl_cert",
            "ssl_cacert",
            "pool",
            "operation_timeout",
            "task_acks_late",
            "task_track_started",
            "task_publish_max_retries",
            "extra_celery_config",
            "worker_umask",
        ),
    ),
    "celery_broker_transport_options": Section(
        *_CELERY,
        (
            "visibility_timeout",
            "sentinel_kwargs",
        ),
    ),
}

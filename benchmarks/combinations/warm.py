"""Everything that a run needs, imported; forks of a process that has this begin at once."""

import boto3  # noqa: F401
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook  # noqa: F401
from airflow.providers.standard.triggers import temporal  # noqa: F401
from airflow.sdk.execution_time import task_runner  # noqa: F401
from drs_provider.dag import factory  # noqa: F401
from drs_provider.dag.finish import keep  # noqa: F401
from drs_provider.rehearsal.engine import driver  # noqa: F401
from drs_provider.report import store  # noqa: F401

import benchmarks.combinations.people
import benchmarks.combinations.surroundings  # noqa: F401

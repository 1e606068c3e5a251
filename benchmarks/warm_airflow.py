"""A process that has imported Airflow and everything that a run needs, to be forked for one run after the other.

Imported by multiprocessing's fork server and nobody else: a run in a fork of it begins within a tenth of a second.
"""

import asyncio

import boto3  # noqa: F401  (imported once, before the forks)
import httpx
from airflow import settings
from airflow.dag_processing.dagbag import DagBag
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook  # noqa: F401
from airflow.providers.standard.triggers import temporal  # noqa: F401
from airflow.sdk.definitions import dag  # noqa: F401
from airflow.sdk.execution_time import task_runner  # noqa: F401
from airflow.sdk.execution_time.supervisor import in_process_api_server
from drs_provider.dag.finish import keep as keeping  # noqa: F401
from drs_provider.hooks import (
    tagged_networks,  # noqa: F401
)
from drs_provider.report import store as writing  # noqa: F401


async def _asked_once() -> None:
    """Ask the server that tasks speak to for a page that it does not have: its first answer takes seconds."""
    async with httpx.AsyncClient(transport=in_process_api_server().atransport, base_url="http://airflow") as client:
        await client.get("/no-such-page")


asyncio.run(_asked_once())


def parsed(dag_file: str, dag_id: str) -> object:
    """Return one DAG of a file, with the metadata database that the environment names now."""
    settings.configure_vars()
    settings.dispose_orm(do_log=False)
    settings.configure_orm()
    bag = DagBag(dag_file)
    if dag_id not in bag.dags:
        raise LookupError(f"{dag_file} has no {dag_id}: {bag.import_errors}")
    return bag.dags[dag_id]

"""Airflow's own tables. Only the API server and the scheduler may read them, with the session that they are given."""

from airflow.jobs.job import Job
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline
from airflow.models.errors import ParseImportError
from airflow.models.hitl import HITLDetail
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel

__all__ = [
    "DagModel",
    "DagRun",
    "Deadline",
    "HITLDetail",
    "Job",
    "Log",
    "ParseImportError",
    "SerializedDagModel",
    "TaskInstance",
    "TaskStateStoreModel",
    "XComModel",
]

"""Names that ``airflow.sdk`` promises and its type stub lacks, from where they are defined."""

from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.sdk.definitions.param import ParamsDict

__all__ = ["AsyncCallback", "DeadlineAlert", "ParamsDict"]

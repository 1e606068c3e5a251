"""Airflow's plugin class, from the Task SDK: the core's own module imports the whole core, in every task's process."""

from airflow.sdk.plugins_manager import AirflowPlugin

__all__ = ["AirflowPlugin"]

"""One Airflow DAG for every recovery plan in the plans folder: ``DRS_PLANS_FOLDER``, by default ``../plans``."""

from pathlib import Path

from drs_provider.dag.factory import dags_of_folder, plans_folder

for dag in dags_of_folder(plans_folder(beside=Path(__file__)), dag_file=Path(__file__)):
    globals()[dag.dag_id] = dag

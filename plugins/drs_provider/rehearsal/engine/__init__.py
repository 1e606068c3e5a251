"""Running a plan's DAG without Airflow's services, in the time of a simulator that stands still while tasks work."""

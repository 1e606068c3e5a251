"""Airflow's shapes of a plan: its DAG, its trigger form, and the tasks that are not any DRS call's own."""

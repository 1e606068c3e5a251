"""The pages in Airflow's UI: every plan, and every run while it goes on and afterwards."""

"""What Airflow's audit log does not say by itself about writes to plans and their runs."""

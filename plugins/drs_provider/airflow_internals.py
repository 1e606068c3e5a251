"""Every touch of what Airflow does not promise."""

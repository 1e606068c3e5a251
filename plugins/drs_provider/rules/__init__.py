"""PURE: decisions on data: no Airflow, no boto3, no clock, no network."""

"""What AWS's answers mean: pure functions on data, without Airflow, boto3, clock or network."""

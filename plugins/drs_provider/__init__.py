"""Recovery plans for AWS Elastic Disaster Recovery, as Apache Airflow DAGs."""

__version__ = "0.2.0"

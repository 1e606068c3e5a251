"""What all tests with parts of Airflow have in common."""

from kit.aws_models import shared_models

__all__ = ["shared_models"]

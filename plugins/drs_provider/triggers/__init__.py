"""Waiting for AWS without a worker. Nothing in here imports boto3 or ``aws/`` while it is being imported."""

"""Sensors that wait for DRS without a worker. Nothing in here imports boto3 while it is being imported."""

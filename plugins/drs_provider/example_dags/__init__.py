"""One DAG for every operator and sensor, to read and to copy."""

"""What is done with hooks and rules. Knows no Airflow; operators and commands call it."""

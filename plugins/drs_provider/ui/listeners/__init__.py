"""What Airflow tells this provider in its own processes: runs that begin and end, marks, answers."""

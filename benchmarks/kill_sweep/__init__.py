"""A kill after each single AWS call of a run, in one process: runs of Airflow's task runner in simulated time."""

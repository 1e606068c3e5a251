"""Where the history of all runs comes from: stored reports, and what Airflow says of the runs that left none."""

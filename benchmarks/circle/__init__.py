"""The whole circle on a real Airflow: recovery, commit, reprotect, failback drill, failback, and at rest again."""

"""The tasks of a failback drill, in the DAG of a plan's way back."""

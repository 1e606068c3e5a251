"""The DAG of a plan's way back."""

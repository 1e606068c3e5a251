"""Decisions on data: no Airflow, no AWS client and no clock."""

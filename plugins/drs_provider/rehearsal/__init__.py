"""What a rehearsal supposes, and what it foretells: pure, without Airflow, AWS or a simulator."""

"""What an author may write: recovery plans and protection groups, read from YAML into frozen models."""

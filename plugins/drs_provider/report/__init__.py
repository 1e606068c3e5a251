"""What a run has to prove afterwards: figures, verdict, files."""

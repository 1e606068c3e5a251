"""What the page of a run shows beside its state: what people may do with it, and what has happened."""

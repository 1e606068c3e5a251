"""A run: what is asked for, who is in it, its compiled shape, its typed documents, its state."""

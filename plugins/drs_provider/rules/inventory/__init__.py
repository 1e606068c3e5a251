"""What the console shows of all source servers, and which of them want attention."""

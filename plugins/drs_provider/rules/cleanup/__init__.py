"""What may be terminated, stopped or removed, and what must stay."""

"""What only a drill has: its network, its expiry, its clean-up."""

"""What the commands show of servers and groups."""

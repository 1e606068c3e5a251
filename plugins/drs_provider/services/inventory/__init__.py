"""The source servers of all accounts and Regions, asked for in the background and kept."""

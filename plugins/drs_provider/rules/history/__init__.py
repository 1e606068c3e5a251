"""The history of all runs: a row for each, which of them somebody asks for, and what they say together."""

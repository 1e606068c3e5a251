"""The end of a recovery: whether what it launched stands or is rolled back, and what comes next. Pure."""

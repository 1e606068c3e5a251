"""Planned migrations: whether every server's recovery points hold all that was written, and whose source is stopped."""

"""The console: pages of source servers and protection groups beside the REST API that they use."""

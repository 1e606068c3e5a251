"""Systems Manager: agents, documents, commands and automations that take time and can fail."""

"""Who may do what: the five roles, and who the recovery managers are. Pure."""

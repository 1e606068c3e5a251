"""What preflight checks beyond readiness: permissions, placement, cost; its table."""

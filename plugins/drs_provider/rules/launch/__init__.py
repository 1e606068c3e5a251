"""Launching: jobs, results, tags, recovery points, quotas, conflicts, takeover."""

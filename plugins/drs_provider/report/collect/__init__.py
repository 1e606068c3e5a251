"""From what the tasks of a run left to the evidence of its report."""

"""Questions to people: approvals and pauses, and the proof that they were answered."""

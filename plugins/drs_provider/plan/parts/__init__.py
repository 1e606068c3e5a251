"""Parts of plans and groups that stand in several places, or are large enough for a file of their own."""

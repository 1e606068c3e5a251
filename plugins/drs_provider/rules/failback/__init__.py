"""The way back: where every server stands in the circle of recovery, reversal, failback and renewed protection."""

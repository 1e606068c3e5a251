"""What is particular to servers from data centres, whose failback clients are converted instead of a launch."""

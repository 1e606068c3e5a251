"""Lambda: functions that can fail."""

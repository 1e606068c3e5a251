"""A wave as a task group: settings, start, watch, tags, preemption, cancellation."""

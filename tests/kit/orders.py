"""Orders that people give to running tasks."""

from kit.signatures import remembered


def order(context, given):
    """Give a task an order, as the plugin's route does: signed, in the task's state store."""
    context["task_state_store"].set(given.KEY, remembered(given, context["ti"]))

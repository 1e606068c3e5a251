"""One more kind of step, for as long as a test takes."""

from contextlib import contextmanager

from drs_provider.plan.model import RecoveryPlan, Wave
from drs_provider.plan.step_kinds import STEP_KINDS


@contextmanager
def added(name, module):
    """Add the line of a kind to the table; plans are read with it from then on."""
    STEP_KINDS[name] = module
    read_anew()
    try:
        yield
    finally:
        del STEP_KINDS[name]
        read_anew()


def read_anew():
    for model in (Wave, RecoveryPlan):
        model.model_rebuild(force=True)

"""The kinds of steps: one module each, listed in ``plan.step_kinds``."""

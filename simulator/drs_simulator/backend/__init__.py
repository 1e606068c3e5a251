"""The simulator, and its place in moto: the package that moto finds under the name ``moto.drs``."""

from drs_simulator.backend.models import drs_backends

__all__ = ["drs_backends"]

"""The package that moto finds under the name ``moto.drs``."""

from drs_simulator.moto_drs.models import drs_backends

__all__ = ["drs_backends"]

"""A simulator of AWS Elastic Disaster Recovery that runs inside an unmodified moto.

``python -m drs_simulator --fleet FILE`` starts it as a server; ``drs_simulator.register()`` makes it known to
``moto.mock_aws`` in this process.
"""

from drs_simulator.backend.registration import register

__all__ = ["register"]

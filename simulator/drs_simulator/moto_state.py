"""moto's own state: seeding, clearing, warming up, and what of it is kept with `--state`."""

import logging
from typing import Any

from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.moto_api._internal import mock_random
from moto.sns.models import sns_backends
from moto.ssm.models import ssm_backends
from moto.sts.models import sts_backends

logger = logging.getLogger(__name__)

KEPT: dict[str, Any] = {
    "ec2": ec2_backends,
    "iam": iam_backends,
    "sts": sts_backends,
    "ssm": ssm_backends,
    "sns": sns_backends,
}
"""Services of moto whose state survives a restart; the others (S3, Lambda, Logs, …) begin empty."""


def seed_moto(seed: int) -> None:
    """Make moto's identifiers the same ones in every run."""
    mock_random.seed(seed)


def clear_moto() -> None:
    """Forget everything in every service of moto."""
    BackendDict.reset()


def dump_moto() -> dict[str, Any]:
    """Return moto's state in a form that pickle takes."""
    state: dict[str, Any] = {
        name: {account: dict(regions) for account, regions in backends.items()} for name, backends in KEPT.items()
    }
    return {"services": state, "random": mock_random.getstate()}


def load_moto(kept: dict[str, Any]) -> None:
    """Put moto's state back."""
    for name, accounts in kept["services"].items():
        for account, regions in accounts.items():
            for region, backend in regions.items():
                dict.__setitem__(KEPT[name][account], region, backend)
    mock_random.setstate(kept["random"])

"""moto's own state: seeding, clearing, warming up, and what of it is kept with `--state`."""

import copyreg
import logging
from collections import defaultdict
from functools import partial
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.base_backend import BackendDict
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.moto_api._internal import mock_random
from moto.sns.models import sns_backends
from moto.ssm.models import ParameterDict, ssm_backends
from moto.sts.models import sts_backends

logger = logging.getLogger(__name__)

KEPT: dict[str, Any] = {
    "ec2": ec2_backends,
    "iam": iam_backends,
    "sts": sts_backends,
    "ssm": ssm_backends,
    "sns": sns_backends,
    "cloudwatch": cloudwatch_backends,
}
"""Services of moto whose state survives a restart; the others (S3, Lambda, Logs, …) begin empty."""


def seed_moto(seed: int) -> None:
    """Make moto's identifiers the same ones in every run."""
    mock_random.seed(seed)


def clear_moto() -> None:
    """Forget everything in every service of moto."""
    BackendDict.reset()


def _parameters(kept: ParameterDict) -> tuple[Any, ...]:
    # A defaultdict is pickled without its members, and made again without its constructor's arguments.
    return ParameterDict, (kept.account_id, kept.region_name), dict(vars(kept)), None, iter(kept.items())


copyreg.pickle(ParameterDict, _parameters)


def dump_moto() -> dict[str, object]:
    """Return moto's state in a form that pickle takes."""
    for regions in ssm_backends.values():
        for backend in regions.values():
            # moto's own factory is a lambda, which pickle refuses; this one makes the same.
            backend._resource_tags.default_factory = partial(defaultdict, dict)  # noqa: SLF001
    state: dict[str, object] = {
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

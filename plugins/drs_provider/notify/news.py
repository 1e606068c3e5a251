"""What of a run is worth telling, decided from its state: a notice, or nothing."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from drs_provider.notify.messages import cleaned_up, rto_at_risk, started, wave_completed, wave_failed
from drs_provider.notify.notice import Notice, RunSummary
from drs_provider.rules.run.handover import LeftoversTold, PreflightResult, TargetSweep
from drs_provider.rules.run.state import Cause, RunState, WaveState, WaveStatus

_OWN_FAILURES: Final = (Cause.STEP, Cause.TASK, Cause.SUPERSEDED)
"""Why a wave that never began is told about at once; others are told of at the end of the run."""


REPEATED_AFTER: Final = timedelta(days=1)
"""How often people are told of the same left-overs again."""


def is_news(done: Collection[str], left: Collection[str], told: LeftoversTold | None, *, at: datetime) -> bool:
    """Tell whether people should hear of a clean-up: it removed something, or something else than before is left.

    :param left: ids of what is still there
    :param told: what people were told last
    """
    if done:
        return True
    known = told.left if told and at < told.at + REPEATED_AFTER else ()
    return bool(set(left) - set(known))


def news_of_clean_up(run: RunSummary, targets: Mapping[str, TargetSweep], *, at: datetime) -> Notice:
    """Say what the clean-up DAG did and left.

    :param targets: by account and Region
    """
    done = [line for target in targets.values() for line in target.done]
    left = [f"{name}: {why}" for target in targets.values() for name, why in target.remaining.items()]
    return cleaned_up(run, done, left, at=at)


def news_of_start(run: RunSummary, preflight: PreflightResult | None, *, at: datetime) -> Notice | None:
    """Say what is launched; a run that preflight refused says so at its end."""
    return started(run, preflight, at=at) if preflight is not None and preflight.passed else None


def news_of_wave(
    run: RunSummary, name: str, state: RunState, *, chosen: Collection[str], at: datetime
) -> Notice | None:
    """Say that a wave has gone through, or has failed; None: neither, or it takes no part.

    :param chosen: the waves that were chosen for the run
    """
    wave = state.wave(name)
    if wave is None or name not in chosen:
        return None
    others = [other for other in state.waves if other.name in chosen and other.name != name]
    if wave.status.is_done:
        return wave_completed(run, wave, others=others, at=at)
    return wave_failed(run, wave, others=others, at=at) if _has_failed(wave) else None


def _has_failed(wave: WaveState) -> bool:
    if wave.status is WaveStatus.NOT_STARTED:
        return wave.cause in _OWN_FAILURES
    return wave.status in (WaveStatus.FAILED, WaveStatus.CANCELLED)


def news_of_rto(
    run: RunSummary,
    state: RunState,
    *,
    chosen: Collection[str],
    rto_seconds: float,
    share: int,
    since: datetime,
    at: datetime,
) -> Notice | None:
    """Say that time runs out; None: every wave of the run is over.

    :param chosen: the waves that were chosen for the run; none: preflight has not said
    :param share: how much of the RTO has passed, in per cent
    :param since: when the run was asked for
    """
    over = {wave.name for wave in state.waves if wave.status.is_over}
    if chosen and over.issuperset(chosen):
        return None
    to_come = [wave for wave in state.waves if wave.name in chosen and wave.name not in over]
    return rto_at_risk(run, rto_seconds=rto_seconds, share=share, waves=to_come, since=since, at=at)

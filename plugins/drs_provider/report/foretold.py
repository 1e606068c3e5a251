"""What preflight foretold of a run against what was measured, launched as the run really was."""

from datetime import timedelta

from drs_provider.formatting import duration
from drs_provider.report.evidence import RunEvidence
from drs_provider.report.result import ObjectiveResult, PredictionReport, WaveReport


def prediction_of(
    evidence: RunEvidence, waves: tuple[WaveReport, ...], rto: ObjectiveResult
) -> PredictionReport | None:
    """Compare the recovery time with what was foretold; None: nothing was.

    Both count from the first launch: how long checks and people took before it was not foretold.
    """
    foretold = evidence.predicted
    if foretold is None:
        return None
    is_ahead = foretold.launch == "ahead" and evidence.launched_ahead
    begun = min((wave.started_at for wave in waves if wave.started_at), default=None)
    measured = None
    if begun is not None and rto.measured_seconds is not None:
        there = evidence.run.started_at + timedelta(seconds=rto.measured_seconds)
        measured = max(0.0, (there - begun).total_seconds())
    return PredictionReport(
        launch="ahead" if is_ahead else "in_waves",
        predicted_seconds=foretold.seconds if is_ahead else foretold.in_waves_seconds,
        in_waves_seconds=foretold.in_waves_seconds,
        measured_seconds=measured,
    )


def prediction_in_words(found: PredictionReport) -> str:
    """Say what was foretold: ``foretold: 10 min 55 s launched ahead, 35 min 40 s in waves``."""
    if found.launch == "in_waves":
        return f"foretold: {duration(found.predicted_seconds)}"
    in_waves = duration(found.in_waves_seconds)
    return f"foretold: {duration(found.predicted_seconds)} launched ahead, {in_waves} in waves"

"""What the end of a failback adds to the verdict: not protected fails it, what people decide does not."""

from collections.abc import Iterator, Sequence

from drs_provider.formatting import MANY, some
from drs_provider.report.evidence import HomeStep, RunEvidence
from drs_provider.report.steps import short
from drs_provider.rules.run.state.vocabulary import ServerStatus


def failures_at_home(evidence: RunEvidence) -> Iterator[str]:
    """Yield why a failback has failed although its waves may have gone through."""
    if not any(server.status is ServerStatus.LAUNCHED for wave in evidence.waves for server in wave.servers):
        return
    for step in _of(evidence, "protect_again"):
        if step.state not in ("done", "skipped"):
            yield _words("what runs in its origin is not protected again", step)
    if any(step.state in ("failed", "not_reached", "unproven") for step in _of(evidence, "protect_again", "agree")):
        return  # nothing was to be removed then
    for step in _of(evidence, "remove_recovered"):
        if step.state not in ("done", "skipped"):
            yield _words("what was recovered is not removed", step)
    for step in _of(evidence, "at_rest"):
        if step.state not in ("done", "skipped"):
            yield _words("not at rest", step)


def exceptions_at_home(evidence: RunEvidence) -> Iterator[str]:
    """Yield what has to be looked at after a failback that is protected again."""
    for step in _of(evidence, "agree"):
        if step.state in ("failed", "unproven", "not_reached"):
            yield _words("what was recovered is kept, for nobody has agreed to its end", step)
    names = {server.server_id: server.hostname or server.server_id for w in evidence.waves for server in w.servers}
    for step, words in ((s, "not protected again") for s in _of(evidence, "protect_again")):
        yield from _left(step, words, names)
    for step in _of(evidence, "at_rest"):
        yield from _left(step, "not at rest", names)


def _left(step: HomeStep, words: str, names: dict[str, str]) -> Iterator[str]:
    if step.left and step.state == "done":
        said = [f"{names.get(server, server)} ({short(why)})" for server, why in step.left.items()]
        yield f"{words}: {some(said, MANY)}"


def _of(evidence: RunEvidence, *does: str) -> Sequence[HomeStep]:
    return [step for step in evidence.home if step.does in does]


def _words(what: str, step: HomeStep) -> str:
    if step.state == "unproven":
        return f"{what}: {step.task} is marked as successful and left no result"
    return f"{what}: {short(step.error)}" if step.error else f"{what}: {step.task} was not reached"

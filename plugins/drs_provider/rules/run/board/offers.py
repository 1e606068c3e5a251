"""What people may do with a run right now, and what it would mean: by the rules of the verbs themselves. Pure."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, ParamSpec, TypeVar

from drs_provider.exceptions import RunRefused
from drs_provider.rules.run import names, verbs
from drs_provider.rules.run.approvals import COMMIT, REJECT, ROLL_BACK
from drs_provider.rules.run.controls import BY
from drs_provider.rules.run.run_view import PendingQuestion, RunView

Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

Verb = Literal["pause", "resume", "cancel", "skip", "retry", "continue", "answer", "end", "extend"]
"""The last word of the route that does it (``/drs/api/v1/runs``)."""

OfferRight = Literal["pause", "order", "answer"]
"""What somebody must be allowed to: change the DAG, change its runs, or answer its questions."""

OfferReason = Literal["none", "may", "must"]

_RIGHTS: Final[dict[Verb, OfferRight]] = {
    "pause": "pause",
    "resume": "pause",
    "cancel": "order",
    "skip": "order",
    "retry": "order",
    "continue": "order",
    "answer": "answer",
    "end": "answer",
    "extend": "answer",
}


@dataclass(frozen=True)
class Offer:
    """One thing that may be done.

    :param title: what the button says
    :param effect: what it means for the run, in sentences
    :param reason: whether a reason may, or must, be given with it
    :param by: of ``extend``: by how much
    :param stops_failback: of ``cancel``: what it means to end failbacks with it; empty: there are none to end
    :param is_grave: it stops, refuses or removes something
    """

    verb: Verb
    title: str
    effect: str
    reason: OfferReason = "none"
    wave: str | None = None
    task: str | None = None
    option: str | None = None
    by: str | None = None
    stops_failback: str = ""
    is_grave: bool = False

    @property
    def right(self) -> OfferRight:
        """What somebody must be allowed to."""
        return _RIGHTS[self.verb]


def offers_of(run: RunView) -> tuple[Offer, ...]:
    """Return what may be done with a run now, questions first: what is not offered would be refused."""
    return (*_answers(run), *_of_waves(run), *_of_run(run))


def _answers(run: RunView) -> Iterator[Offer]:
    if not run.is_active:
        return
    for question in run.questions:
        if question.task == names.KEEP_TASK:
            yield Offer("end", "End the drill now", "The drill is cleaned up now.", task=question.task, is_grave=True)
            for by in BY:
                yield Offer(
                    "extend", f"Keep it {by} longer", f"The drill is kept {by} longer.", task=question.task, by=by
                )
            continue
        for option in question.options:
            yield _answer(question, option)


def _answer(question: PendingQuestion, option: str) -> Offer:
    is_grave = option in (REJECT, ROLL_BACK, COMMIT)
    reason: OfferReason = "must" if option == ROLL_BACK else "may"
    effect = f"“{question.subject}” is answered with {option}, in your name; an answer cannot be taken back."
    wave = names.wave_of(question.task)
    return Offer("answer", option, effect, reason, wave, question.task, option, is_grave=is_grave)


def _of_waves(run: RunView) -> Iterator[Offer]:
    for wave in run.waves:
        if retry := _allowed(verbs.retry_of, run, wave):
            yield Offer("retry", f"Retry wave {wave.name}", _sentence(retry.message), "may", wave.name)
        if past := _allowed(verbs.go_on_past, run, wave):
            effect = _sentence(past.message)
            yield Offer("continue", f"Go on past wave {wave.name}", effect, "must", wave.name, is_grave=True)
        if run.is_active and _allowed(verbs.skipped_tasks, run, wave) is not None:
            effect = _sentence(verbs.skipped_message(run, wave))
            yield Offer("skip", f"Skip wave {wave.name}", effect, "may", wave.name, is_grave=True)


def _of_run(run: RunView) -> Iterator[Offer]:
    if not run.is_active:
        return
    if run.is_paused:
        yield Offer("resume", "Resume the plan", "What waits for the plan begins; every run of it goes on.")
    else:
        yield Offer("pause", "Pause the plan", _sentence(verbs.paused_message(run)))
    if _allowed(verbs.cancelled_tasks, run) is not None:
        ends = _allowed(verbs.failback_ends, run)
        yield Offer(
            "cancel",
            "Cancel the run",
            _sentence(verbs.cancelled_message(run)),
            "may",
            stops_failback=_sentence(verbs.failbacks_ended_message()) if ends else "",
            is_grave=True,
        )


def _allowed(ask: Callable[Asked, Answer], *args: Asked.args, **kwargs: Asked.kwargs) -> Answer | None:
    """Return what is answered; None: it is refused."""
    with suppress(RunRefused):
        return ask(*args, **kwargs)
    return None


def _sentence(text: str) -> str:
    """Write a message as a sentence; the name of a plan or run that it begins with stays as it is."""
    begins = text[:1].upper() if text.startswith(("wave ", "step ", "the ")) else text[:1]
    return f"{begins}{text[1:]}{'' if text.endswith('.') else '.'}"

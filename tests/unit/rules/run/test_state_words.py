"""How states are shown to people: every state has a sign, words and a tone, and none is told by colour alone."""

import pytest
from drs_provider.rules.run.state import (
    CleanupStatus,
    PreflightStatus,
    RunStatus,
    ServerStatus,
    StepStatus,
    WaveStatus,
)
from drs_provider.rules.run.state.words import Shown, Tone, all_shown, shown, words

KINDS = [RunStatus, PreflightStatus, WaveStatus, ServerStatus, StepStatus, CleanupStatus]


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_is_shown_by_its_own_words(kind):
    table = all_shown(kind)

    assert list(table) == [status.value for status in kind]
    assert len({look.words for look in table.values()}) == len(kind)
    assert {look.words: look for look in table.values()} == {words(status): shown(status) for status in kind}


@pytest.mark.parametrize("kind", KINDS)
def test_good_and_bad_never_share_a_sign(kind):
    signs = {tone: {look.sign for look in all_shown(kind).values() if look.tone == tone} for tone in Tone}

    assert not signs[Tone.GOOD] & (signs[Tone.BAD] | signs[Tone.WARN] | signs[Tone.BUSY] | signs[Tone.NEUTRAL])


def test_a_state_that_asks_says_so():
    assert shown(WaveStatus.WAITING_FOR_ANSWER) == Shown("?", "waiting for an answer", Tone.WARN)
    assert shown(RunStatus.COMPLETED_WITH_EXCEPTIONS) == Shown("!", "completed with exceptions", Tone.WARN)

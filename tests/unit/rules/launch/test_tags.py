"""The tags that make a launch happen once."""

import pytest
from drs_provider.rules.launch.tags import (
    CHUNK,
    TRY,
    attempt_of,
    chunk_of,
    job_tags,
    run_key,
    same_launch,
    same_wave,
)
from hypothesis import given
from hypothesis import strategies as st

names = st.text(min_size=1, max_size=400)
RUN = {"dag_id": "drs.web-shop", "run_id": "manual__2026-01-01T00:00:00+00:00", "wave": "database"}


def test_the_tags_of_a_job_are_these():
    assert job_tags(**RUN, chunk=2, attempt=1) == {
        "drs-orchestrator:run": "eb756cf268964a8f7876652e93b75161",
        "drs-orchestrator:wave": "database",
        "drs-orchestrator:chunk": "2",
        "drs-orchestrator:try": "1",
        "drs-orchestrator:plan": "drs.web-shop",
        "drs-orchestrator:run-id": "manual__2026-01-01T00:00:00+00:00",
    }


@given(names, names, names, st.integers(0, 99), st.integers(1, 99))
def test_tags_are_always_within_awss_limits(dag_id, run_id, wave, chunk, attempt):
    tags = job_tags(dag_id=dag_id, run_id=run_id, wave=wave, chunk=chunk, attempt=attempt)

    assert all(len(key) <= 128 and len(value) <= 256 for key, value in tags.items())
    assert same_launch(tags, tags)
    assert (chunk_of(tags), attempt_of(tags)) == (chunk, attempt)


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_too_long_for_a_tag_stay_different(one, other):
    long = "x" * 300
    first, second = (job_tags(**{**RUN, "wave": long + text}, chunk=0, attempt=1) for text in (one, other))

    assert same_wave(first, second) == (one == other)


def test_two_runs_never_share_a_key_by_joining_their_names_differently():
    assert run_key("a", "b") != run_key("a|b", "")
    assert len(run_key("a", "b")) == 32


@pytest.mark.parametrize("key", [CHUNK, TRY])
def test_another_chunk_or_try_is_the_same_wave_but_another_launch(key):
    ours = job_tags(**RUN, chunk=0, attempt=1)
    other = {**ours, key: "7"}

    assert same_wave(other, ours)
    assert not same_launch(other, ours)


@pytest.mark.parametrize("tags", [None, {}, {"Name": "x"}, {TRY: "x", CHUNK: "-1"}])
def test_a_job_of_somebody_else_is_never_ours(tags):
    ours = job_tags(**RUN, chunk=0, attempt=1)

    assert not same_wave(tags, ours)
    assert not same_launch(tags, ours)
    assert (attempt_of(tags), chunk_of(tags)) == (0, -1)

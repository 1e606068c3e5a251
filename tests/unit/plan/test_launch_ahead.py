"""``launch: in_waves | ahead`` on plans and waves."""

import pytest
from drs_provider.plan.model import is_launched_ahead
from drs_provider.plan.snapshot import kept_text, read_kept
from kit.plan_files import PLAN, WAVES, read_beside_groups, said_of

THREE = """waves:
  - {name: a, groups: [g1], launch: in_waves}
  - {name: b, groups: [g2]}
  - {name: c, before: [{kind: wait, name: w, for: 1m}]}
"""


@pytest.mark.parametrize(
    ("of_plan", "of_waves", "expected"),
    [
        ("", ["", ""], [False, False]),
        ("launch: in_waves\n", ["", ", launch: ahead"], [False, True]),
        ("launch: ahead\n", ["", ", launch: in_waves"], [True, False]),
        ("launch: ahead\n", ["", ", launch: ahead"], [True, True]),
    ],
)
def test_a_wave_has_the_last_word(tmp_path, of_plan, of_waves, expected):
    waves = "".join(f"  - {{name: w{n}, groups: [g{n}]{said}}}\n" for n, said in enumerate(of_waves, start=1))
    plan = read_beside_groups(tmp_path, f"{PLAN}{of_plan}waves:\n{waves}").plans["p"].plan

    assert [is_launched_ahead(plan, wave) for wave in plan.waves] == expected


def test_a_wave_of_steps_only_is_never_launched_ahead(tmp_path):
    plan = read_beside_groups(tmp_path, f"{PLAN}launch: ahead\n{THREE}").plans["p"].plan

    assert [is_launched_ahead(plan, wave) for wave in plan.waves] == [False, True, False]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (f"{PLAN}launch: ahead\n{WAVES}", []),
        (
            f"{PLAN}launch: beforehand\n{WAVES}",
            ["x.yaml:3:9: launch: expected in_waves or ahead, found 'beforehand'"],
        ),
        (
            f"{PLAN}launch: in_wave\n{WAVES}",
            ["x.yaml:3:9: launch: expected in_waves or ahead, found 'in_wave' (did you mean 'in_waves'?)"],
        ),
        (
            f"{PLAN}launch: {{instance_type: m6i.large}}\n{WAVES}",
            [
                (
                    "x.yaml:3:9: launch: expected in_waves or ahead, found a mapping (launch settings of "
                    "servers are written in the launch of their group)"
                )
            ],
        ),
        (
            (
                f"{PLAN}waves: [{{name: a, groups: [g1]}}, {{name: c, launch: ahead, before: [{{kind: wait, name: w, "
                "for: 1m}]}]\n"
            ),
            ["x.yaml:3:44: waves.c.launch: a wave without groups launches nothing (remove it)"],
        ),
        (
            f"{PLAN}launch: ahead\nwaves: [{{name: a, groups: [g1], launch: in_waves}}]\n",
            [
                (
                    "x.yaml:3:9: launch: no wave launches ahead: each has no groups, or says in_waves itself "
                    "(remove it here, or in a wave)"
                )
            ],
        ),
    ],
)
def test_what_contradicts_itself_is_said(tmp_path, written, said):
    assert said_of(tmp_path, written) == said


def test_in_waves_is_what_a_plan_means_that_says_nothing(tmp_path):
    silent = read_beside_groups(tmp_path, PLAN + WAVES).plans["p"]
    said = read_beside_groups(tmp_path, f"{PLAN}launch: in_waves\n{WAVES}").plans["p"]

    assert silent.digest == said.digest


def test_a_kept_plan_keeps_it(tmp_path):
    runnable = read_beside_groups(tmp_path, f"{PLAN}launch: ahead\n{THREE}").plans["p"]
    kept = read_kept(kept_text(runnable, tmp_path, run_id="manual"), "p", tmp_path)

    assert kept.runnable.plan == runnable.plan
    assert kept.runnable.digest != read_beside_groups(tmp_path, PLAN + THREE).plans["p"].digest

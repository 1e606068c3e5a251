"""What is not built yet is refused by name, never ignored."""

from pathlib import Path

import pytest
from drs_provider.plan.unsupported import UNSUPPORTED, Unsupported
from kit.plan_files import GROUP, PLAN, WAVES, cases_in, read_beside_groups, said_of

SHARED = "drill: {network: shared}\n"
SERVER = "s-00000000000000009"
WAIT = "[{kind: wait, name: x, for: 5m}]"


def wave(keys: str) -> str:
    return PLAN + SHARED + f"waves: [{{name: a, groups: [g1], {keys}}}]\n"


REFUSED = Path(__file__).parent / "refused"


@pytest.mark.parametrize(("text", "said"), cases_in(REFUSED))
def test_a_part_that_is_not_built_is_refused_by_name_and_with_a_way_out(tmp_path, text, said):
    assert said_of(tmp_path, text, unsupported=UNSUPPORTED) == said
    assert said_of(tmp_path, text) == []


def test_every_row_of_the_table_has_a_case():
    said = (REFUSED / "parts.txt").read_text().replace("waves.a.", "waves.*.").replace(SERVER, "*")

    assert [row.path for row in UNSUPPORTED if f" {row.path} " not in said] == []


@pytest.mark.parametrize(
    "text",
    [
        wave("delay_before: 2m, retry_failed: 0, ready: status_checks, before: [], after: []"),
        wave("ready: running, timeout: 1h, tolerate_failures: 50%"),
        PLAN + "drill: {network: shared, keep_for: PT0S, max_lag: 5m, schedule: '@weekly', timezone: UTC}\n" + WAVES,
        PLAN + SHARED + WAVES + "recovery: {}\nnotify: []\nbefore: []\nafter: []\n",
        GROUP + f"servers: [{{id: {SERVER}, order: 1, critical: false, launch: {{}}}}]\nlaunch: {{}}\n",
    ],
)
def test_what_asks_for_nothing_is_not_refused(tmp_path, text):
    assert said_of(tmp_path, text, unsupported=UNSUPPORTED) == []


def test_a_part_that_is_not_built_is_checked_all_the_same(tmp_path):
    rows = (Unsupported("RecoveryPlan", "waves.*.before", "nothing is built yet"),)
    said = said_of(tmp_path, wave("before: 5, delay_before: soon"), unsupported=rows)

    assert [line.split(": ", 1)[1].split(" (")[0] for line in said] == [
        "plan p: waves.a.before is not supported yet",
        "waves.a.before: expected a list, found the number 5",
        "waves.a.delay_before: expected a duration such as 90s, 15m, 1h30m, 1d or PT45M, found 'soon'",
    ]


def test_a_plan_with_an_unsupported_part_cannot_run(tmp_path):
    rows = (Unsupported("RecoveryPlan", "waves", "nothing is built yet"),)
    library = read_beside_groups(tmp_path, PLAN + WAVES, unsupported=rows)

    assert list(library.plans) == []
    assert dict(library.broken_plans) == {"p": (tmp_path / "x.yaml",)}

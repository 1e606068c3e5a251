"""Every broken document in ``broken/*.txt`` is answered with the messages that stand below it, word for word.

They are read beside the groups of ``kit.plan_files`` and with the whole language allowed.
"""

from itertools import pairwise
from pathlib import Path

import pytest
from kit.plan_files import PLAN, WAVES, cases_in, said_of

CASES = Path(__file__).parent / "broken"


@pytest.mark.parametrize(("text", "said"), cases_in(CASES))
def test_a_broken_file_is_answered_with_all_that_is_wrong(tmp_path, text, said):
    assert said_of(tmp_path, text) == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            b"",
            "x.yaml:1:1: file: the file is empty (write a plan or a group into it, or remove it)",
            id="an empty file",
        ),
        pytest.param(
            b"\n# later\n",
            "x.yaml:1:1: file: the file holds comments only (write a plan or a group into it, or remove it)",
            id="comments only",
        ),
        pytest.param(
            b"kind: RecoveryPlan\ntitle: Caf\xe9\n",
            "x.yaml:2:11: file: the file is not UTF-8 text (save it as UTF-8)",
            id="Latin-1",
        ),
        pytest.param(
            "kind: RecoveryPlan\n".encode("utf-16"),
            "x.yaml:1:1: file: the file is not UTF-8 text (save it as UTF-8)",
            id="UTF-16",
        ),
        pytest.param(
            b"kind: RecoveryPlan\ntitle: a\x07b\n",
            "x.yaml:2:9: YAML: a control character (remove it)",
            id="a control character",
        ),
        pytest.param(
            b"kind: RecoveryPlan\ntitle: a\x00b\n",
            "x.yaml:2:9: YAML: a control character (remove it)",
            id="a zero byte",
        ),
        pytest.param(
            PLAN.encode() + b"tags: " + b"[" * 200_000,
            "x.yaml:3:46: YAML: nested more than 40 levels deep",
            id="brackets without end",
        ),
        pytest.param(
            PLAN.encode() + b"tags:\n" + b"- " * 300_000 + b"a\n",
            "x.yaml:4:79: YAML: nested more than 40 levels deep",
            id="dashes without end",
        ),
        pytest.param(
            PLAN.encode() + b"tags:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 60)),
            "x.yaml:43:41: YAML: nested more than 40 levels deep (an alias that contains itself does this too)",
            id="indented without end",
        ),
        pytest.param(
            b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + b"".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n".encode() for old, new in pairwise("abcdefg")),
            "x.yaml:1:4: YAML: more than 100000 values in one document "
            "(aliases of aliases multiply; write less, or several documents)",
            id="aliases of aliases",
        ),
        pytest.param(
            b"#" * (2 * 1024 * 1024 + 1),
            "x.yaml:1:1: file: the file is larger than 2 MiB (spread its documents over several files)",
            id="a huge file",
        ),
        pytest.param(
            (PLAN + WAVES + 'tags: [abcdef, ghij, 5]\n"e\\nf": 1\n').encode(),
            'x.yaml:4:22: tags[2]: expected a text, found the number 5 (put it in quotes: "5")\n'
            "x.yaml:5:1: plan p: unknown key 'e\\nf' (known: after, before, check, description, drill, "
            "failback, kind, launch, migration, name, notify, owner, …)",
            id="line breaks in keys",
        ),
    ],
)
def test_content_that_cannot_be_a_plan_is_said_to_be_none(tmp_path, content, said):
    assert said_of(tmp_path, content) == said.split("\n")


def test_a_name_with_a_line_break_does_not_make_two_messages(tmp_path):
    said = said_of(tmp_path, PLAN + 'waves:\n  - {name: "a\\nb", groups: [g1]}\n')

    assert said == [
        (
            "x.yaml:4:12: waves.a\N{REPLACEMENT CHARACTER}b.name: expected a name of small letters, digits and dashes, "
            "at most 63, found 'a\\nb' (for example 'a-b')"
        )
    ]


def test_there_are_enough_cases_to_call_it_a_specification():
    assert len(cases_in(CASES)) >= 100

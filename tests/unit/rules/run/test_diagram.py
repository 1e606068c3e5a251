"""A plan is drawn with its rows, its members and what it will take."""

from drs_provider.rules.run.diagram import draw_mermaid, draw_text
from drs_provider.rules.run.shape import compile_shape
from kit.plan_files import PLAN, read_beside_groups

WAVES = """
waves:
  - {name: database, groups: [g1]}
  - {name: web, groups: [g2, g3], delay_before: 5s}
  - {name: end, depends_on: [database], after: [{kind: wait, name: settle, for: 5m}]}
"""


def drawn(draw, folder, text):
    library = read_beside_groups(folder, text)
    assert library.problems == ()
    return draw(compile_shape(library.plans["p"]))


def test_a_plan_is_drawn_as_text(tmp_path):
    assert drawn(draw_text, tmp_path, PLAN + "title: Shop\nrto: 45m" + WAVES) == (
        "Shop (DAG drs.p)\n"
        "\n"
        "  1 * database    ~8m55s  at once; g1: 2 servers\n"
        "  2 * web            ~9m  after database; g2: 1 server; g3: tags App=shop\n"
        "  2   end            ~5m  after database; steps only\n"
        "\n"
        "* critical path: database -> web, ~17m55s in DRS jobs, within the rto of 45m\n"
    )


def test_a_plan_that_cannot_meet_its_objective_says_so(tmp_path):
    last = drawn(draw_text, tmp_path, PLAN + "rto: 10m" + WAVES).splitlines()[-1]

    assert last == "* critical path: database -> web, ~17m55s in DRS jobs, LONGER THAN the rto of 10m"


def test_a_plan_is_drawn_for_mermaid(tmp_path):
    assert drawn(draw_mermaid, tmp_path, PLAN + WAVES) == (
        "flowchart LR\n"
        '  w1["database<br/>~8m55s<br/>g1: 2 servers"]\n'
        '  w2["web<br/>~9m<br/>g2: 1 server; g3: tags App=shop"]\n'
        '  w3["end<br/>~5m<br/>steps only"]\n'
        "  w1 ==> w2\n"
        "  w1 --> w3\n"
    )


def test_tags_cannot_break_out_of_mermaid(tmp_path):
    select = """---\nkind: ProtectionGroup\nname: g4\nselect: {tags: {'a"]<b>': '#1'}}\n"""
    text = drawn(draw_mermaid, tmp_path, PLAN + "waves: [{name: a, groups: [g4]}]\n" + select)

    assert text.splitlines()[1] == '  w1["a<br/>~8m55s<br/>g4: tags a#quot;]#lt;b#gt;=#35;1"]'


def test_a_plan_that_launches_ahead_says_what_that_saves(tmp_path):
    assert drawn(draw_text, tmp_path, PLAN + "rto: 15m\nlaunch: ahead" + WAVES).splitlines()[2:] == [
        "  1 * database    ~9m25s  at once; g1: 2 servers; launched ahead",
        "  2   web           ~35s  after database; g2: 1 server; g3: tags App=shop; launched ahead",
        "  2 * end            ~5m  after database; steps only",
        "",
        (
            "* critical path: database -> end, launched ahead ~14m25s, in waves ~17m55s: ahead saves 3m30s, within the "
            "rto of 15m"
        ),
    ]

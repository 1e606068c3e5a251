"""Characters that come with what is pasted: named, with number, line, column and advice."""

import pytest
from drs_provider.plan.loader import read_paths

PLAN = """\
kind: ProtectionGroup
name: g
region: us-west-2
servers: [s-0123456789abcdef0]
---
kind: RecoveryPlan
name: crm
drill: {network: shared}
waves:
  - name: database
    groups: [g]
"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            PLAN.replace("name: crm", "name:\u00a0crm"),
            [
                ("x.yaml:7:6: YAML: a no-break space (U+00A0) where YAML wants a space (delete it and type a space)"),
            ],
            id="nbsp after colon",
        ),
        pytest.param(
            PLAN.replace("kind: RecoveryPlan", "kind:\u00a0RecoveryPlan"),
            [
                ("x.yaml:6:6: YAML: a no-break space (U+00A0) where YAML wants a space (delete it and type a space)"),
            ],
            id="nbsp after kind",
        ),
        pytest.param(
            PLAN.replace(": ", ":\u00a0"),
            [
                (
                    "x.yaml:1:6: document: expected a mapping with a kind, found 'kind:\\xa0ProtectionGrou"
                    "p name:\\xa0g region:\\xa0us-west-2 servers:\\xa0[s\u2026' (a no-break space (U+00A0) is in "
                    "it: delete it and type a space)"
                ),
                ("x.yaml:8:7: YAML: a no-break space (U+00A0) where YAML wants a space (delete it and type a space)"),
            ],
            id="all nbsp",
        ),
        pytest.param(
            PLAN.replace("  - name", "  \u2013 name"),
            [
                "x.yaml:10:3: YAML: an en dash (U+2013) where YAML wants a dash (replace it with -)",
            ],
            id="endash",
        ),
        pytest.param(
            PLAN.replace("  - name", "  \u2013\u00a0name"),
            [
                "x.yaml:10:3: YAML: an en dash (U+2013) where YAML wants a dash (replace it with -)",
            ],
            id="endash nbsp",
        ),
        pytest.param(
            PLAN.replace("  - name", "  -\u00a0name"),
            [
                ("x.yaml:10:4: YAML: a no-break space (U+00A0) where YAML wants a space (delete it and type a space)"),
            ],
            id="dash nbsp",
        ),
        pytest.param(
            PLAN.replace("    groups", "\u00a0\u00a0\u00a0\u00a0groups"),
            [
                "x.yaml:10:5: waves.database: a wave needs groups, or steps in before or after",
                (
                    "x.yaml:11:1: plan crm: unknown key '\\xa0\\xa0\\xa0\\xa0groups' (a no-break space (U+00A"
                    "0) is in it: delete it and type a space)"
                ),
            ],
            id="indent nbsp",
        ),
        pytest.param(
            PLAN.replace("    groups", "  \u00a0 groups"),
            [
                ("x.yaml:11:3: YAML: a no-break space (U+00A0) where YAML wants a space (delete it and type a space)"),
            ],
            id="indent mixed",
        ),
        pytest.param(
            PLAN.replace("  - name", "  - na\u200bme"),
            [
                "x.yaml:10:5: waves[0]: name is missing",
                (
                    "x.yaml:10:7: waves[0]: unknown key 'na\\u200bme' (a zero width space (U+200B) is in i"
                    "t: delete it, or type the line anew)"
                ),
            ],
            id="zwsp in key",
        ),
        pytest.param(
            PLAN.replace("\nname: crm", "\n\u200bname: crm"),
            [
                "x.yaml:6:1: plan: name is missing",
                (
                    "x.yaml:7:1: plan: unknown key '\\u200bname' (a zero width space (U+200B) is in it: de"
                    "lete it, or type the line anew)"
                ),
            ],
            id="zwsp before key",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name:\u200bcrm"),
            [
                (
                    "x.yaml:7:6: YAML: a zero width space (U+200B) which nobody can see (delete it, or ty"
                    "pe the line anew)"
                ),
            ],
            id="zwsp after colon",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name\u200b: crm"),
            [
                "x.yaml:6:1: plan: name is missing",
                (
                    "x.yaml:7:5: plan: unknown key 'name\\u200b' (a zero width space (U+200B) is in it: de"
                    "lete it, or type the line anew)"
                ),
            ],
            id="zwsp before colon",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: crm\u200b"),
            [
                (
                    "x.yaml:7:10: name: expected a name of small letters, digits and dashes, at most 63, "
                    "found 'crm\\u200b' (a zero width space (U+200B) is in it: delete it, or type the line"
                    " anew)"
                ),
            ],
            id="zwsp at end of value",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: \u200fcrm"),
            [
                (
                    "x.yaml:7:7: name: expected a name of small letters, digits and dashes, at most 63, f"
                    "ound '\\u200fcrm' (a right-to-left mark (U+200F) is in it: delete it, or type the lin"
                    "e anew)"
                ),
            ],
            id="rlm",
        ),
        pytest.param(
            PLAN.replace("groups: [g]", "groups: [g\u200e]"),
            [
                (
                    "x.yaml:11:15: waves.database.groups[0]: expected a name of small letters, digits and"
                    " dashes, at most 63, found 'g\\u200e' (a left-to-right mark (U+200E) is in it: delete"
                    " it, or type the line anew)"
                ),
            ],
            id="rlm group",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: \u201ccrm\u201d"),
            [
                (
                    "x.yaml:7:7: name: expected a name of small letters, digits and dashes, at most 63, f"
                    "ound '\u201ccrm\u201d' (a curly quote (U+201C) is in it: replace both with \" or ')"
                ),
            ],
            id="smart quotes",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: crm\ntitle: \u201ccrm: db\u201d"),
            [
                ("x.yaml:8:8: YAML: a curly quote (U+201C) where YAML wants a quote (replace both with \" or ')"),
            ],
            id="smart quotes colon",
        ),
        pytest.param(
            PLAN.replace("---\n", "\ufeff"),
            [
                (
                    "x.yaml:5:1: YAML: a byte order mark (U+FEFF) in the middle of the file (it is invisi"
                    "ble and comes from joining files; delete it)"
                ),
            ],
            id="bom mid",
        ),
        pytest.param(
            PLAN.replace("---\nkind", "---\n\ufeffkind"),
            [
                (
                    "x.yaml:6:1: YAML: a byte order mark (U+FEFF) in the middle of the file (it is invisi"
                    "ble and comes from joining files; delete it)"
                ),
            ],
            id="bom mid2",
        ),
        pytest.param(
            PLAN.replace("us-west-2", "us\u2011west\u20112"),
            [
                (
                    "x.yaml:3:11: region: expected an AWS Region, found 'us\u2011west\u20112' (a non-breaking hyphe"
                    "n (U+2011) is in it: replace it with -)"
                ),
                ("x.yaml:11:14: waves.database.groups[0]: group 'g' has a problem of its own (x.yaml:3)"),
            ],
            id="region hyphen",
        ),
        pytest.param(
            PLAN.replace("s-0123", "s\u20130123"),
            [
                (
                    "x.yaml:4:12: servers[0]: expected a source server id, s- and 17 letters or digits, f"
                    "ound 's\u20130123456789abcdef0' (an en dash (U+2013) is in it: replace it with -)"
                ),
                ("x.yaml:11:14: waves.database.groups[0]: group 'g' has a problem of its own (x.yaml:4)"),
            ],
            id="server",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name\uff1acrm"),
            [
                ("x.yaml:7:5: YAML: a fullwidth colon (U+FF1A) where YAML wants a colon (replace it with :)"),
            ],
            id="fullwidth colon",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name\uff1a crm"),
            [
                ("x.yaml:7:5: YAML: a fullwidth colon (U+FF1A) where YAML wants a colon (replace it with :)"),
            ],
            id="fullwidth colon2",
        ),
        pytest.param(
            PLAN.replace("waves:", "waves:\u200b"),
            [
                (
                    "x.yaml:9:7: YAML: a zero width space (U+200B) which nobody can see (delete it, or ty"
                    "pe the line anew)"
                ),
            ],
            id="waves zwsp",
        ),
        pytest.param(
            PLAN.replace("{network: shared}", "{network:\u00a0shared}"),
            [
                (
                    "x.yaml:8:17: drill: unknown key 'network:\\xa0shared' (a no-break space (U+00A0) is i"
                    "n it: delete it and type a space)"
                ),
                ("x.yaml:8:24: drill.network:\ufffdshared: there is no value (give it one, or remove the key)"),
            ],
            id="flow nbsp",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: crm\ntitle: Bestellung \u2013 Datenbank \u201eA\u201c"),
            [],
            id="legit",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: crm\ntitle: Bestellung \u2013 Datenbank\n  x: y"),
            [
                ("x.yaml:9:4: YAML: a second colon, or a line that is indented too far (quote texts with ': ')"),
            ],
            id="legit err elsewhere",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: crm\u2028title: x"),
            [],
            id="line sep",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: crm\u0085"),
            [],
            id="nel",
        ),
        pytest.param(
            PLAN.replace("    groups: [g]", "    groups:\n      \u2014 g"),
            [
                (
                    "x.yaml:12:7: waves.database.groups: expected a list, found '\u2014 g' (an em dash (U+2014"
                    ") is in it: replace it with -)"
                ),
            ],
            id="em dash list",
        ),
        pytest.param(
            PLAN.replace("    groups: [g]", "    groups:\n      \u2022 g"),
            [
                (
                    "x.yaml:12:7: waves.database.groups: expected a list, found '\u2022 g' (a bullet (U+2022) "
                    "is in it: replace it with -)"
                ),
            ],
            id="bullet",
        ),
        pytest.param(
            PLAN.replace("name: crm", "name: \u202acrm\u202c"),
            [
                (
                    "x.yaml:7:7: name: expected a name of small letters, digits and dashes, at most 63, f"
                    "ound '\\u202acrm\\u202c' (a left-to-right embedding (U+202A) is in it: delete it, or t"
                    "ype the line anew)"
                ),
            ],
            id="embed",
        ),
        pytest.param(
            PLAN.replace("name: crm", "# a \u2013 b: \u201cx\u201d\nname:\u00a0crm"),
            [
                ("x.yaml:8:6: YAML: a no-break space (U+00A0) where YAML wants a space (delete it and type a space)"),
            ],
            id="comment",
        ),
        pytest.param(
            PLAN.replace("---\n", "---\u200b\n"),
            [
                (
                    "x.yaml:5:4: YAML: a zero width space (U+200B) which nobody can see (delete it, or ty"
                    "pe the line anew)"
                ),
            ],
            id="docstart zwsp",
        ),
        pytest.param(
            PLAN.replace("---\n", "\u2014-\n"),
            [
                "x.yaml:5:1: YAML: an em dash (U+2014) where YAML wants a dash (replace it with -)",
            ],
            id="docstart emdash",
        ),
    ],
)
def test_an_odd_character_is_named_where_it_stands(tmp_path, content, said):
    file = tmp_path / "x.yaml"
    file.write_text(content)

    assert [str(problem).replace(f"{tmp_path}/", "") for problem in read_paths([file]).problems] == said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            PLAN.replace("name: crm", "name: crm\ntitle: \u00abShop\u00bb\ndescription: \u00a0x").replace(
                "[g]", "[g\n    x: y"
            ),
            "x.yaml:14:6: YAML: a list is not closed; it began in line 13 (a ',' or ']' is missing)",
        ),
        (
            PLAN.replace("name: crm", "name: crm\ntitle: \u201ccrm: db\u201d").replace("[g]", "[g\n    x: y"),
            "x.yaml:8:8: YAML: a curly quote (U+201C) where YAML wants a quote (replace both with \" or ')",
        ),
    ],
)
def test_an_odd_character_is_no_cause_of_what_is_wrong_without_it(tmp_path, content, said):
    file = tmp_path / "x.yaml"
    file.write_text(content)

    assert [str(problem).replace(f"{tmp_path}/", "") for problem in read_paths([file]).problems] == [said]

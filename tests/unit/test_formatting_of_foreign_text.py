"""Text of others steers no terminal and begins no lines of its own."""

import unicodedata

import pytest
from drs_provider.formatting import plain, plain_line
from drs_provider.rules.servers import hostname_of
from drs_provider.rules.step_answers import kept, last_words
from hypothesis import given
from hypothesis import strategies as st

SAID = [
    pytest.param("fine\n\tindented", "fine\n\tindented", id="line feeds and tabs stay"),
    pytest.param("a\r\nb\rc", "a\nb\\x0dc", id="a carriage return would write over the line"),
    pytest.param("\x1b[2J\x1b]0;evil\x07", "\\x1b[2J\\x1b]0;evil\\x07", id="colours, titles, bells"),
    pytest.param("\x9b31m\x00\x7f", "\\x9b31m\\x00\\x7f", id="the one-byte escape, zero, delete"),
    pytest.param("invoice\u202egnp.exe\u2066", "invoice\\u202egnp.exe\\u2066", id="directions of writing"),
    pytest.param("grün 日本 🚀", "grün 日本 🚀", id="other alphabets stay"),
    pytest.param("half \ud83d", "half \\ud83d", id="half a character, which no database takes"),
]


@pytest.mark.parametrize(("text", "said"), SAID)
def test_what_steers_a_terminal_is_written_out(text, said):
    assert plain(text) == said


@given(st.text())
def test_what_is_plain_has_no_control_characters_and_stays_as_it_is(text):
    found = plain(text)

    assert not [
        character for character in found if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    ]
    assert plain(found) == found
    assert "\n" not in plain_line(text)


def test_names_and_outputs_are_plain():
    hints = {"identificationHints": {"hostname": "db1\n2026-11-22 ERROR \x1b[31mforged", "fqdn": "db1.example"}}

    assert hostname_of({"sourceProperties": hints}, "s-1") == "db1 2026-11-22 ERROR \\x1b[31mforged"
    assert hostname_of({"tags": {"Name": " \n"}, "sourceProperties": {}}, "s-1") == "s-1"
    assert kept("out\x1b[0m") == "out\\x1b[0m"
    assert last_words("no\x07 luck\n") == "no\\x07 luck"

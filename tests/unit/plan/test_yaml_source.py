"""YAML is read the same with and without libyaml."""

import pytest
from drs_provider.plan.yaml_source import PythonComposer, YAMLError, compose, say_syntax_error
from unit.plan.test_language import EVERYTHING, GROUPS
from yaml.nodes import ScalarNode


def flat(node):
    place = (node.start_mark.line, node.start_mark.column, node.tag)
    if isinstance(node, ScalarNode):
        return (*place, node.value, bool(node.style))
    return (*place, [flat(child) for part in node.value for child in (part if isinstance(part, tuple) else (part,))])


@pytest.mark.parametrize("text", [EVERYTHING, GROUPS, "a: !x &y [*y]".replace("*y", "1"), "- &a b\n- *a\n"])
def test_nodes_and_their_places_are_the_same_without_libyaml(text):
    assert [flat(node) for node in compose(text, 40)] == [flat(node) for node in compose(text, 40, PythonComposer)]


BROKEN = ["a: [1\n", "a: 'b\n", "a: b: c\n", "a:\n\t- b\n", "a: @b\n", "a: *b\n", "a: \x07\n", "- a\nb: c\n"]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_syntax_is_found_on_the_same_line_without_libyaml(text):
    said = []
    for options in ((), (PythonComposer,)):
        with pytest.raises(YAMLError) as caught:
            list(compose(text, 40, *options))
        said.append(say_syntax_error(caught.value, text))

    assert said[0].line == said[1].line
    assert said[0].what
    assert said[1].what

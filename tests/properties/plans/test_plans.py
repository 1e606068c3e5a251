"""What holds for every plan, and for everything that is nearly one."""

import re
import tempfile
from itertools import pairwise
from pathlib import Path

import yaml
from drs_provider.plan.digest import digest_of
from drs_provider.plan.loader import read_folder
from drs_provider.plan.snapshot import kept_text, read_kept
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from properties.plans.strategies import libraries

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
MESSAGE = re.compile(r"x\.yaml:[1-9][0-9]*:[1-9][0-9]*: [^\n]+: [^\n]+")


def read(content):
    """Read one file with the whole language allowed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x.yaml")
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        library = read_folder(Path(folder))
        said = [str(problem).replace(f"{folder}/", "") for problem in library.problems]
    return library, said


def written(documents, **style):
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, **style)


@quick
@given(libraries())
def test_a_plan_built_forwards_has_no_problem(library):
    plan, groups = library
    found, said = read(written([plan, *groups]))

    assert said == []
    assert set(found.plans) == {plan["name"]}
    assert found.plans[plan["name"]].groups.keys() == {group["name"] for group in groups}


@quick
@given(libraries(), st.data())
def test_a_reversed_edge_is_always_caught(library, data):
    plan, groups = library
    waves = plan["waves"]
    assume(len(waves) > 1)
    for above, wave in pairwise(waves):
        wave["depends_on"] = [above["name"]]
    last = data.draw(st.integers(1, len(waves) - 1))
    first = data.draw(st.integers(0, last - 1))
    waves[first]["depends_on"] = [waves[last]["name"]]
    names = [wave["name"] for wave in waves[first : last + 1]]

    found, said = read(written([plan, *groups]))

    circle = " -> ".join([names[0], *reversed(names)])
    assert [line for line in said if f"waves wait for each other: {circle} (" in line] == said
    assert len(said) == 1
    assert not found.plans


@quick
@given(libraries())
def test_a_plan_that_is_written_down_again_is_the_same_plan(library):
    plan, groups = library
    first, _ = read(written([plan, *groups]))
    runnable = first.plans[plan["name"]]
    models = [runnable.plan, *runnable.groups.values()]
    again, said = read(written([model.model_dump(mode="json", by_alias=True, exclude_none=True) for model in models]))

    assert said == []
    found = again.plans[plan["name"]]
    assert (found.plan, found.groups, found.digest) == (runnable.plan, runnable.groups, runnable.digest)


@quick
@given(libraries(), st.text(max_size=20))
def test_a_plan_that_is_kept_is_the_same_plan(library, run_id):
    plan, groups = library
    first, _ = read(written([plan, *groups]))
    runnable = first.plans[plan["name"]]
    folder = runnable.path.parent
    found = read_kept(kept_text(runnable, folder, run_id=run_id), plan["name"], folder)

    assert found is not None
    assert (found.runnable, found.run_id) == (runnable, run_id)


@quick
@given(
    libraries(), st.sampled_from([{"default_flow_style": True}, {"width": 20}, {"indent": 7}, {"default_style": '"'}])
)
def test_the_digest_does_not_see_how_a_plan_is_written(library, style):
    plan, groups = library
    if style == {"default_style": '"'}:  # all scalars in quotes: only texts stay what they are
        plan = {key: plan[key] for key in ("kind", "name", "title") if key in plan} | {
            "waves": [{"name": wave["name"], "groups": wave["groups"]} for wave in plan["waves"]]
        }
        groups = [
            {
                **group,
                "servers": [server if isinstance(server, str) else server["id"] for server in group.get("servers", ())],
            }
            for group in groups
        ]
    turned = [dict(reversed(document.items())) for document in (*reversed(groups), plan)]
    one, _ = read(written([plan, *groups]))
    other, said = read("# another\n" + written(turned, **style))

    assert said == []
    assert one.plans[plan["name"]].digest == other.plans[plan["name"]].digest
    assert digest_of(one.plans[plan["name"]].plan, one.plans[plan["name"]].groups) == one.plans[plan["name"]].digest


@quick
@given(libraries(), st.data())
def test_broken_bytes_are_answered_with_places_never_with_a_traceback(library, data):
    content = bytearray(written([library[0], *library[1]]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 6))] = data.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from([b"\n", b"\t", b": ", b"- ", b"[", b"{", b"&a ", b"*a", b"---\n", b"!!str ", b"\n  "]),
            )
        )
    found, said = read(bytes(content))

    assert [line for line in said if not MESSAGE.fullmatch(line)] == []
    assert said or found.plans or found.groups


VALUES = st.sampled_from(
    [None, True, 0, -1, 1.5, "", " ", "x", "{{ x }}", [], {}, [None], [[]], {"a": 1}, "10%", "5m", 10**30]
)


@quick
@given(libraries(), st.data())
def test_a_value_in_the_wrong_place_is_answered_with_its_place(library, data):
    documents = [library[0], *library[1]]
    owner = data.draw(st.sampled_from(list(containers(documents))))
    key = data.draw(st.sampled_from(sorted(owner) if isinstance(owner, dict) else range(len(owner))))
    if data.draw(st.booleans()) and isinstance(owner, dict):
        owner[f"{key}x"] = owner.pop(key)
    else:
        owner[key] = data.draw(VALUES)
    found, said = read(written(documents))

    assert [line for line in said if not MESSAGE.fullmatch(line)] == []
    assert [line for line in said if "not valid: " in line] == []
    assert said or found.plans


def containers(data):
    if isinstance(data, dict | list) and data:
        yield data
        for value in data.values() if isinstance(data, dict) else data:
            yield from containers(value)

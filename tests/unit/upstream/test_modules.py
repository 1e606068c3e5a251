"""How modules are moved to another project: which go along, what their imports become, and when they can be one."""

import pytest

from upstream import amazon, moto
from upstream.modules import Move, Package, joined


@pytest.fixture
def package(tmp_path):
    """A package in which b needs a and, through a package that hands names on, c; d is for type checkers alone."""
    files = {
        "p/__init__.py": "",
        "p/a.py": "A = 1\n",
        "p/b.py": "from p import a\nfrom p.docs import C\n\n\ndef f():\n    from p.gone import G\n",
        "p/docs/__init__.py": "from p.docs.c import C\nfrom p.docs.d import D\n",
        "p/docs/c.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from p.docs.d import D\n\nC = 1\n",
        "p/docs/d.py": "D = 1\n",
        "p/gone.py": "G = 1\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / path).write_text(text)
    return Package(tmp_path, "p")


def test_what_a_package_hands_on_is_looked_for_where_it_is_defined(package):
    assert package.closure(["p.b"]) == {"p.b", "p.a", "p.docs.c", "p.gone"}
    assert package.closure(["p.b"], without={"p.gone"}) == {"p.b", "p.a", "p.docs.c"}


NAMES = {"p.a": "q.first", "p.docs.c": "q.docs"}


@pytest.mark.parametrize(
    ("source", "moved"),
    [
        ("from p.docs import C\n", "from q.docs import C\n"),
        ("from p.docs.c import C as here\n", "from q.docs import C as here\n"),
        ("from p import a\n", "from q import first as a\n"),
        ("from p.a import (\n    A,\n    A as B,\n)\nx = 1\n", "from q.first import A, A as B\nx = 1\n"),
        ("def f():\n    from p.a import A\n", "def f():\n    from q.first import A\n"),
        ("def f():\n    from p.gone import G\n", "def f():\n    raise NotImplementedError('not here')\n"),
        ("if TYPE_CHECKING:\n    from p.docs import D\n", "if TYPE_CHECKING:\n    pass\n"),
        ("from other.p import x  # as it is\n", "from other.p import x  # as it is\n"),
    ],
)
def test_an_import_names_the_new_place(source, moved, package):
    assert Move(package, NAMES, {"p.gone": "not here"}).moved(source) == moved


def test_what_is_in_the_same_module_there_is_not_imported(package):
    assert Move(package, NAMES, {}).moved("from p.a import A\nfrom p.docs import C\n", into="q.docs") == (
        "from q.first import A\npass\n"
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\nfrom p.docs import D\n", "line 2: p.docs.d does not go along"),
        ("import p.a\n", "line 1: `import p.a` cannot be moved; import names from it"),
    ],
)
def test_what_cannot_be_moved_is_said(source, said, package):
    with pytest.raises(LookupError) as caught:
        Move(package, NAMES, {}).moved(source)

    assert caught.value.args == (said,)


def test_two_modules_become_one_with_their_imports_together():
    first = (
        '"""One."""\n\nimport a\nfrom b import c\n\nif TYPE_CHECKING:\n    import t\n\n'
        'X = 1\n"""Of both."""\n\n\nclass A:\n    x: X\n'
    )
    second = '"""Two."""\n\nimport a\n\nX = 1\n\n\ndef f():\n    """Do."""\n    # as it is\n'

    assert joined("Both.", [first, second]) == (
        '"""Both."""\n\nfrom b import c\nimport a\n\nif TYPE_CHECKING:\n    import t\n\n\n'
        'X = 1\n"""Of both."""\n\n\nclass A:\n    x: X\n\n\ndef f():\n    """Do."""\n    # as it is\n'
    )


def test_one_name_for_two_things_is_refused():
    with pytest.raises(ValueError, match=r"^X means two things: ") as caught:
        joined("Both.", ["X = 1\n", "X = 2\n"])

    assert str(caught.value) == "X means two things: 'X = 1', 'X = 2'"


def test_the_files_for_the_amazon_provider_are_where_each_service_has_them():
    files = amazon.files()
    services = [path for path in files if "/utils/" not in path]

    assert services == [f"airflow/providers/amazon/aws/{kind}/drs.py" for kind in sorted(amazon.PUBLIC)]
    assert [path for path, text in files.items() if "from drs_provider" in text or "import drs_provider" in text] == []
    assert [path for path in files if "/plan/" in path or "/dag/" in path or "/ui/" in path] == []
    for text in files.values():
        assert text.startswith("# Licensed to the Apache Software Foundation (ASF) under one\n")


def test_the_base_of_our_operators_is_refused_where_it_is_no_longer_what_is_replaced():
    with pytest.raises(ValueError, match=r"^operators/base\.py no longer has what becomes the provider's own:\n"):
        amazon.amazon_base("class DrsOperator:\n    pass\n")


def test_the_files_for_moto_are_where_each_service_has_them():
    files = moto.files()

    assert {f"moto/drs/{name}.py" for name in ("__init__", "models", "responses", "urls")} <= set(files)
    assert [
        path for path, text in files.items() if "from drs_simulator" in text or "import drs_simulator" in text
    ] == []

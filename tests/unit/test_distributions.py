"""What is in wheel and sdist, built as they are released, without a network."""

import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from drs_provider.plan.schema import schema_text, schemas
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
PACKAGES = {"provider": ROOT / "plugins" / "drs_provider", "simulator": ROOT / "simulator" / "drs_simulator"}
ROOTS = {"provider": ROOT, "simulator": ROOT / "simulator"}
BESIDE = {
    "provider": {"drs_provider/schemas/protection-group.json", "drs_provider/schemas/recovery-plan.json"},
    "simulator": {
        "drs_simulator/fleets/hello.yaml",
        "drs_simulator/fleets/ledger.yaml",
        "drs_simulator/fleets/web-shop.yaml",
    },
}
"""Files of the wheel that lie outside of the package in the repository."""
TOP = {
    "provider": {"plugins", "dags", "plans", "docs", "CHANGELOG.md", "SECURITY.md"},
    "simulator": {"drs_simulator", "fleets"},
}
ALWAYS = {"LICENSE", "README.md", "PKG-INFO", "pyproject.toml", ".gitignore"}


def build(builder, root, folder):
    (path,) = builder(str(root)).build(directory=str(folder), versions=["standard"])
    return Path(path)


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module", params=PACKAGES)
def built(request, tmp_path_factory):
    """A distribution's name, its wheel and its sdist."""
    folder = tmp_path_factory.mktemp("dist")
    root = ROOTS[request.param]
    return request.param, build(WheelBuilder, root, folder), build(SdistBuilder, root, folder)


def test_the_wheel_is_the_package_and_nothing_else(built):
    name, wheel, _ = built
    package = PACKAGES[name]
    files = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert names_in(wheel) == files | BESIDE[name]
    assert {PurePosixPath(path).suffix for path in files} <= {".py", ".j2", ".js", ".yaml", ".svg", ".typed", ".txt"}


def test_a_package_tells_type_checkers_that_it_has_types(built):
    name, wheel, _ = built

    assert f"{PACKAGES[name].name}/py.typed" in names_in(wheel)


def test_the_sdist_has_no_strays(built):
    name, _, sdist = built
    with tarfile.open(sdist) as archive:
        inside = [PurePosixPath(member.name).relative_to(sdist.name.removesuffix(".tar.gz")) for member in archive]

    assert {path.parts[0] for path in inside} == TOP[name] | ALWAYS
    assert [str(path) for path in inside if "tests" in path.parts or path.suffix == ".pyc"] == []


def test_the_sdist_makes_the_same_wheel(built, tmp_path):
    _, wheel, sdist = built
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")

    again = build(WheelBuilder, tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "dist")
    assert again.name == wheel.name
    assert names_in(again) == names_in(wheel)


def test_the_schemas_in_the_wheel_are_those_of_the_plan_language(tmp_path):
    with zipfile.ZipFile(build(WheelBuilder, ROOT, tmp_path)) as archive:
        for kind, schema in schemas().items():
            assert archive.read(f"drs_provider/schemas/{kind}.json").decode() == schema_text(schema)

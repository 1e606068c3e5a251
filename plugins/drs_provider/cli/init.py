"""``drs init``: write the DAG file, an example plan, the schemas and the settings that a first drill needs."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from drs_provider.exceptions import UsageError

NAME = "init"
HELP = "write a DAG file, an example plan and a .env with settings into a folder"

SETTINGS: Final = ".env"
_STARTER: Final = Path(__file__).parents[1] / "starter"
_FILES: Final = {
    "dags/recovery_plans.py": "recovery_plans.py.txt",
    "plans/hello.yaml": "hello.yaml",
    "plans/groups/hello.yaml": "hello-groups.yaml",
    SETTINGS: "env.txt",
}
"""Where each file goes below the folder, and the package's own file that it is."""


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = (
        "Write what a first drill needs: dags/recovery_plans.py, which makes a DAG of every plan; plans/ with the plan "
        "hello, its groups and the JSON schemas for editors; .env with settings and a connection to the simulator. "
        "Files that are there already are never overwritten: then nothing is written at all."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="made where it does not exist")


def run(options: Namespace) -> int:
    """Write all files, or none where one of them exists, and say what to do next."""
    folder = options.folder.absolute()
    files = starter_files(folder)
    if there := [options.folder / name for name in files if (folder / name).exists()]:
        names = ", ".join(map(str, there))
        raise UsageError(f"{names}: already there, so nothing was written; name another folder, or move these away")
    for name, text in files.items():
        file = folder / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            # Settings may come to hold passwords.
            file.touch(mode=0o600 if name == SETTINGS else 0o666, exist_ok=False)
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{file}: cannot be written: {error.strerror}") from error
        print(options.folder / name)
    print(_next_steps(options.folder / SETTINGS))
    return 0


def starter_files(folder: Path) -> Mapping[str, str]:
    """Return the text of every file by its path below the folder.

    :param folder: absolute; the settings name it
    """
    from drs_provider.plan.schema import schema_text, schemas

    texts = {name: (_STARTER / source).read_text(encoding="utf-8") for name, source in _FILES.items()}
    quoted = str(folder).replace("'", "'\\''")
    texts[SETTINGS] = texts[SETTINGS].replace("<folder>", quoted)
    return texts | {f"plans/schema/{name}.json": schema_text(schema) for name, schema in schemas().items()}


def _next_steps(settings: Path) -> str:
    file = shlex.quote(str(settings.absolute()))
    return f"""
Next, against the simulator (drs-simulator is a package of its own; docs/install.md):
  drs-simulator --example --speed 60     in a terminal of its own
  set -a; . {file}; set +a
  airflow standalone                     prints the password of its user admin
In another terminal, with the same settings and that password:
  drs run resume hello                   new DAGs begin paused
  drs run start hello --wait             a drill; Airflow's page 'Recovery plans' shows it, too"""

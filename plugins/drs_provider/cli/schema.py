"""``drs schema``: print or write the JSON schemas that editors check plan files with."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from drs_provider.exceptions import UsageError

NAME = "schema"
HELP = "print the JSON schemas of plans and groups, or write them for editors"


def configure(parser: ArgumentParser) -> None:
    """Add this command's options."""
    parser.description = "Print the JSON schemas (draft 2020-12) of both kinds of documents, or write a file for each."
    parser.add_argument(
        "--write", type=Path, metavar="FOLDER", help="write recovery-plan.json and protection-group.json"
    )


def run(options: Namespace) -> int:
    """Print or write."""
    from drs_provider.plan.schema import schema_text, schemas

    if options.write is None:
        print(json.dumps(schemas(), indent=2, ensure_ascii=False))
        return 0
    try:
        options.write.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas().items():
            file = options.write / f"{name}.json"
            file.write_text(schema_text(schema), encoding="utf-8")
            print(file)
    except OSError as error:
        raise UsageError(f"{options.write}: cannot be written: {error.strerror}") from error
    return 0

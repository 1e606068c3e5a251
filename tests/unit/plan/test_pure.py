"""The plan side loads in a bare interpreter."""

import subprocess
import sys
from pathlib import Path

import drs_provider


def test_plans_and_graphs_load_without_airflow_aws_or_the_web():
    code = (
        "import sys, drs_provider.plan.loader, drs_provider.rules.run.diagram, drs_provider.cli.main;"
        "from drs_provider.plan.step_kinds import step_kinds; step_kinds();"
        "print(sorted({'airflow', 'boto3', 'botocore', 'fastapi', 'croniter', 'jinja2'} & set(sys.modules)))"
    )
    plugins = Path(drs_provider.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=plugins, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"

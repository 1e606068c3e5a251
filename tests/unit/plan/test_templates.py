"""Braces in the texts of a plan that are not this package's: left alone, or written so that they are."""

import pytest
from kit.plan_files import said_of


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            r"""
kind: RecoveryPlan
name: p
description: 'Tells {"status":{"level":1}}, {{ run.id }}, {% if %} and {# x #}'
waves:
  - name: a
    groups: [g1]
    pause_before: {message: 'Does it say {{.Names}}, {"db":{"up":true}}?', approvers: [ann]}
    after:
      - kind: ssm_command
        name: x
        document: AWS-RunShellScript
        parameters:
          commands:
            - 'curl -d "{\"a\":{\"b\":1}}" http://localhost'
            - 'echo ${#list[@]} ${a%.*} %}'
""",
            id="braces of others that are no template",
        ),
        pytest.param(
            r"""
kind: RecoveryPlan
name: p
waves: [{name: a, groups: [g1]}]
after:
  - kind: ssm_command
    name: x
    document: AWS-RunShellScript
    parameters:
      commands: ["docker ps --format '{{ '{{' }}.Names}}' {{ '{%' }} if %} {{ '{{.A}}' }} {{ '{# x #}' }}"]
""",
            id="braces of others, written as the message says",
        ),
        pytest.param(
            r"""
kind: RecoveryPlan
name: p
waves: [{name: a, groups: [g1]}]
title: 'Shop {{ run.id }}'
""",
            id="a template in a title is a title",
        ),
    ],
)
def test_braces_that_nothing_fills_in_are_text(tmp_path, text):
    assert said_of(tmp_path, text) == []

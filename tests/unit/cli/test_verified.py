"""``drs verified``: which folders it has read, and what it says of the plans there."""

from drs_provider.cli.main import main

PLAN = """\
kind: ProtectionGroup
name: db
region: us-west-2
servers: [s-00000000000000001]
---
kind: RecoveryPlan
name: shop
waves: [{name: db, groups: [db]}]
"""


def test_the_folders_that_were_read_are_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "shop.yaml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRS_PLANS_FOLDER", raising=False)

    code = main(["verified", "--reports", str(tmp_path / "reports")])

    assert code == 1
    assert capsys.readouterr().out.splitlines() == [
        f"plans in {tmp_path / 'plans'}, reports in {tmp_path / 'reports'}",
        "shop: not verified: no drill of it has ever been reported",
    ]

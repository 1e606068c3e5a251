"""Links in a plans folder: folders behind them are read as Airflow reads them, circles and dead ends are said."""

import pytest
from drs_provider.plan.loader import plan_files, read_folder, read_one, read_paths


def plan(name, server):
    return (
        f"kind: ProtectionGroup\nname: {name}-db\nregion: us-west-2\nservers: [s-{server:017d}]\n---\n"
        f"kind: RecoveryPlan\nname: {name}\nwaves: [{{name: database, groups: [{name}-db]}}]\n"
    )


@pytest.fixture
def folder(tmp_path):
    """A plans folder with one plan, and a checkout with another elsewhere."""
    (tmp_path / "plans" / "teams").mkdir(parents=True)
    (tmp_path / "checkout" / "rev-1").mkdir(parents=True)
    (tmp_path / "plans" / "own.yaml").write_text(plan("own", 1))
    (tmp_path / "checkout" / "rev-1" / "crm.yaml").write_text(plan("crm", 2))
    return tmp_path / "plans"


def said(library, folder):
    return [str(problem).replace(f"{folder.parent}/", "") for problem in library.problems]


def test_a_linked_folder_is_read_and_its_files_stand_where_the_link_does(folder):
    (folder / "teams" / "crm").symlink_to("../../checkout/rev-1")

    library = read_folder(folder)

    assert (sorted(library.plans), said(library, folder)) == (["crm", "own"], [])
    assert library.plans["crm"].path == folder / "teams" / "crm" / "crm.yaml"
    assert read_one(folder, "crm") == library.plans["crm"]


def test_a_new_checkout_behind_the_same_link_is_read(folder):
    link = folder / "teams" / "crm"
    link.symlink_to("../../checkout/rev-1")
    (folder.parent / "checkout" / "rev-2").mkdir()
    (folder.parent / "checkout" / "rev-2" / "hr.yaml").write_text(plan("hr", 3))

    link.unlink()
    link.symlink_to("../../checkout/rev-2")

    assert sorted(read_folder(folder).plans) == ["hr", "own"]


def test_links_in_linked_folders_are_followed_too(folder):
    (folder.parent / "more").mkdir()
    (folder.parent / "more" / "crm").symlink_to(folder.parent / "checkout" / "rev-1")
    (folder / "more").symlink_to(folder.parent / "more")

    assert sorted(read_folder(folder).plans) == ["crm", "own"]


def test_a_folder_that_two_links_lead_to_is_read_once(folder):
    (folder / "a").symlink_to(folder.parent / "checkout" / "rev-1")
    (folder / "b").symlink_to(folder.parent / "checkout")
    (folder / "c").symlink_to("teams")
    (folder / "teams" / "hr.yaml").write_text(plan("hr", 3))

    library = read_folder(folder)

    assert (sorted(library.plans), said(library, folder)) == (["crm", "hr", "own"], [])
    assert library.plans["hr"].path == folder / "teams" / "hr.yaml"


def test_a_hidden_link_is_left_out(folder):
    (folder / ".crm").symlink_to(folder.parent / "checkout" / "rev-1")

    assert sorted(read_folder(folder).plans) == ["own"]


def test_a_circle_of_links_is_read_once_and_said(folder):
    (folder / "teams" / "up").symlink_to("..")
    (folder / "other").symlink_to(folder.parent / "checkout")
    (folder.parent / "checkout" / "back").symlink_to(folder)

    library = read_folder(folder)

    assert sorted(library.plans) == ["crm", "own"]
    assert said(library, folder) == [
        "plans/other/back:1:1: link: the link leads to plans, in which it stands: a circle (remove the link)",
        "plans/teams/up:1:1: link: the link leads to plans, in which it stands: a circle (remove the link)",
    ]


def test_a_link_to_nowhere_is_said(folder):
    (folder / "teams" / "crm").symlink_to("../../gone")
    (folder / "hr.yaml").symlink_to("../gone.yaml")

    assert said(read_folder(folder), folder) == [
        "plans/hr.yaml:1:1: file: cannot be read: No such file or directory (correct it or remove it)",
        "plans/teams/crm:1:1: link: the link leads to ../../gone, which is not there (mend or remove the link)",
    ]


def test_a_link_onto_itself_ends(folder):
    (folder / "self").symlink_to("self")

    assert said(read_folder(folder), folder) == [
        "plans/self:1:1: link: the link leads to self, which is not there (mend or remove the link)"
    ]


def test_a_file_of_a_linked_folder_finds_the_groups_of_the_plans_folder(folder):
    (folder / "teams" / "crm").symlink_to("../../checkout/rev-1")
    (folder.parent / "checkout" / "rev-1" / "two.yaml").write_text(
        "kind: RecoveryPlan\nname: two\nwaves: [{name: database, groups: [own-db]}]\n"
    )

    library = read_paths([folder / "teams" / "crm" / "two.yaml"])

    assert (sorted(library.plans), said(library, folder)) == (["two"], [])
    assert len(plan_files(folder)) == 3

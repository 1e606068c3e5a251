"""Which waves of which plans can be migrated: something must stop their writes first."""

import pytest
from drs_provider.plan.loader import read_folder
from drs_provider.plan.model import has_migrations
from drs_provider.rules.migration.stopped_writes import why_not_migrated
from drs_provider.rules.run.request import RunRequest
from drs_provider.rules.run.shape import compile_shape

GROUPS = "".join(
    f"kind: ProtectionGroup\nname: {name}\nservers: [s-0000000000000000{number}]\n---\n"
    for number, name in enumerate(("db", "app", "web"), start=1)
)
STEP = "{kind: wait, name: %s, for: 1m, when: %s}"
STOP = "migration: {stop_sources: {approvers: [ann]}}\n"
ELSE = "Give the plan a step with when: migration in before that stops them, or start a recovery"


def shape_of(tmp_path, more="", *, chosen=("database", "application", "web"), **befores):
    """Compile three waves, each of which waits for the one above; ``befores`` by the name of a wave."""
    groups = {"database": "db", "application": "app", "web": "web"}
    waves = "".join(
        f"  - {{name: {name}, groups: [{group}], before: [{befores.get(name, '')}]}}\n"
        for name, group in groups.items()
    )
    (tmp_path / "x.yaml").write_text(f"{GROUPS}kind: RecoveryPlan\nname: shop\n{more}waves:\n{waves}")
    library = read_folder(tmp_path)
    assert library.problems == ()
    request = RunRequest("migration", "latest", chosen, (), replace_live_instances=False, reason="")
    return compile_shape(library.plans["shop"], request)


FREEZE = STEP % ("freeze", "migration")
BEFORE = f"before: [{FREEZE}]\n"


@pytest.mark.parametrize(
    ("more", "befores", "chosen", "expected"),
    [
        pytest.param(BEFORE, {}, ("web",), None, id="before all waves"),
        pytest.param(BEFORE + STOP, {}, ("web",), None, id="before all waves, and sources are stopped"),
        pytest.param("", {"web": FREEZE}, ("web",), None, id="before the chosen wave"),
        pytest.param(STOP, {"database": FREEZE}, ("database", "web"), None, id="before a chosen wave above"),
        pytest.param("", {"web": FREEZE}, ("database", "web"), None, id="no source is stopped: the report tells"),
        *(
            pytest.param(
                more,
                befores,
                ("database", "application", "web"),
                f"nothing stops the writes of plan shop in a migration, so data would be lost. {ELSE}",
                id=name,
            )
            for name, more, befores in (
                ("nothing is said", "", {}),
                ("only a lag is said", "migration: {max_lag: 1m}\n", {}),
                ("only what comes then is said", f"after: [{FREEZE}]\n", {}),
                ("only a step of recoveries", "", {"web": STEP % ("freeze", "recovery")}),
            )
        ),
        pytest.param(
            "",
            {"database": FREEZE},
            ("web",),
            "only waves of plan shop that were not chosen stop writes in a migration, so data would be lost. Choose "
            f"them too. {ELSE}",
            id="before a wave that is not chosen",
        ),
        pytest.param(
            STOP,
            {"database": STEP % ("freeze", "migration"), "web": STEP % ("drain", "migration")},
            ("application", "web"),
            f"nothing stops the writes of application before the sources there are stopped. {ELSE}",
            id="a wave relies on one that is not chosen",
        ),
    ],
)
def test_a_run_is_migrated_where_something_stops_its_writes(tmp_path, more, befores, chosen, expected):
    assert why_not_migrated(shape_of(tmp_path, more, chosen=chosen, **befores)) == expected


@pytest.mark.parametrize(
    ("more", "befores", "expected"),
    [
        (BEFORE, {}, True),
        ("", {"web": FREEZE}, True),
        ("migration: {max_lag: 1m}\n", {}, False),
        (f"after: [{FREEZE}]\n", {}, False),
        ("", {}, False),
    ],
)
def test_a_plan_has_migrations_where_a_step_stops_writes_before_a_launch(tmp_path, more, befores, expected):
    shape = shape_of(tmp_path, more, **befores)

    assert has_migrations(shape.plan) is expected
    assert {wave.sync_task is not None for wave in shape.waves} == {expected}


def test_a_wave_is_synced_after_the_writes_that_a_wave_above_stops(tmp_path):
    shape = shape_of(tmp_path, BEFORE, application=STEP % ("drain", "migration"))
    database, application, web = shape.waves

    assert [wave.ahead_tasks for wave in shape.waves] == [("database.final_sync",), (), ()]
    assert [wave.quiesced_above for wave in shape.waves] == [(), (), ("application",)]
    assert shape.quiesce_tasks_of(database) == ("before_waves.freeze",)
    assert shape.quiesce_tasks_of(application) == ("before_waves.freeze", "application.drain")
    assert shape.quiesce_tasks_of(web) == ("before_waves.freeze", "application.drain")
    assert shape.upstream["database.final_sync"] == {"before_waves.freeze"}
    assert shape.upstream["application.final_sync"] == {"application.drain"}
    assert shape.upstream["web.final_sync"] == {"application.recovery_job"}
    assert shape.upstream["web.start_recovery"] >= {"web.final_sync"}


def test_what_a_wave_far_above_stops_counts_for_all_that_wait_for_it(tmp_path):
    shape = shape_of(tmp_path, database=FREEZE)

    assert [wave.quiesced_above for wave in shape.waves] == [(), ("database",), ("database",)]
    assert [wave.ahead_tasks for wave in shape.waves] == [(), (), ()]

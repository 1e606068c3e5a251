"""Which version a launch template goes on from after a drill."""

import pytest
from drs_provider.hooks.launch_settings import TemplateVersion
from drs_provider.rules.settings.drill_memory import BeforeDrill
from drs_provider.services.settings.template_settlement import settle_template


def data(subnet, kind="m5.large"):
    return {"InstanceType": kind, "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": f"subnet-{subnet}"}]}


def version(number, content):
    return TemplateVersion("lt-1", number, content)


OLD, WAS, MADE = version(1, data("drill")), version(2, data("prod")), version(3, data("drill"))
THEIRS = version(4, data("drill", "m6i.large"))
BEFORE = BeforeDrill((2, 3))
GONE_WAS = "version 2, which was the default before, no longer exists"
GONE_MADE = "version 3, which was the default in the drill, no longer exists"
NOBODY = ", so nobody can say what of version 4 is the drill's"


@pytest.mark.parametrize(
    ("now", "was", "made", "expected"),
    [
        pytest.param(MADE, WAS, MADE, (2, False, ""), id="the drill's"),
        pytest.param(WAS, WAS, MADE, (2, False, ""), id="put back already"),
        pytest.param(WAS, WAS, None, (2, False, ""), id="put back, and the drill's is gone"),
        pytest.param(OLD, WAS, MADE, (1, False, ""), id="an older one was chosen"),
        pytest.param(THEIRS, WAS, MADE, (4, True, ""), id="a tool's on top of the drill's"),
        pytest.param(version(4, data("drill")), WAS, MADE, (2, False, ""), id="a copy, as DRS makes some"),
        pytest.param(version(4, data("prod", "c5.large")), WAS, MADE, (4, False, ""), id="a tool's without it"),
        pytest.param(MADE, None, MADE, (3, False, GONE_WAS), id="the one before is gone"),
        pytest.param(THEIRS, WAS, None, (4, False, GONE_MADE + NOBODY), id="the drill's is gone under a tool's"),
        pytest.param(THEIRS, None, MADE, (4, False, GONE_WAS + NOBODY), id="the one before is gone under a tool's"),
        pytest.param(version(4, data("prod")), WAS, None, (4, False, ""), id="like before, the drill's is gone"),
        pytest.param(version(4, data("else", "c5.large")), None, MADE, (4, False, ""), id="nothing in common"),
        pytest.param(None, WAS, MADE, (None, False, ""), id="no launch template"),
    ],
)
def test_the_version_to_go_on_from(now, was, made, expected):
    found = settle_template({None: now, 2: was, 3: made}, BEFORE)

    assert (found.base and found.base.number, found.is_new, found.undecided) == expected


def test_a_tools_change_stays_and_the_drills_place_goes():
    assert settle_template({None: THEIRS, 2: WAS, 3: MADE}, BEFORE).base == version(4, data("prod", "m6i.large"))


def test_a_place_of_the_drill_where_the_drill_put_none_is_for_a_person():
    content = {
        **data("drill"),
        "NetworkInterfaces": [*data("drill")["NetworkInterfaces"], {"DeviceIndex": 1, "SubnetId": "subnet-drill"}],
    }

    found = settle_template({None: version(4, content), 2: WAS, 3: MADE}, BEFORE)

    assert found.undecided == "version 4, which others made since, names subnet-drill of the drill"


@pytest.mark.parametrize("before", [None, BeforeDrill(None, {"copy_tags": (True, False)})])
def test_without_a_version_of_a_drill_the_default_stays(before):
    assert settle_template({None: THEIRS}, before).base == THEIRS

"""Launch actions: what is declared held against what DRS has, whatever happens on the way."""

import pytest
from drs_provider.rules.settings.launch_actions import (
    action_id,
    calls,
    is_ours,
    read_runs,
    read_tag,
    stored_parameters,
    written,
    wrong_actions,
)
from hypothesis import given
from hypothesis import strategies as st

SERVER = "s-0123456789abcdef0"
NAMES = ["register", "check", "warm up", "mount"]


def declared(*names, **more):
    return [{"code": "AWS-RunShellScript", "name": name, "optional": False, "parameters": {}, **more} for name in names]


class FakeActions:
    """ListLaunchActions, PutLaunchAction and DeleteLaunchAction of one server, with DRS's rule that orders differ."""

    def __init__(self, foreign=()):
        self.items = {
            f"foreign-{order}": {"actionId": f"foreign-{order}", "name": "theirs", "order": order, "active": True}
            for order in foreign
        }
        self.tag = None
        self.sent = 0

    def bring(self, wanted, *, is_temporary, most=None):
        """Make the calls, at most so many of them: the rest is lost with the worker. Return whether all were made."""
        needed = calls(SERVER, wanted, self.live, is_temporary=is_temporary, remembered=read_tag(self.tag))
        todo = []
        if needed.remember is not None:
            todo.append(
                lambda: setattr(self, "tag", {"drs-orchestrator:actions-before-drill": written(needed.remember)})
            )
        todo += [lambda name=name: self.items.pop(name, None) for name in needed.delete]
        todo += [lambda action=action: self.put(action) for action in needed.put]
        if needed.forget:
            todo.append(lambda: setattr(self, "tag", None))
        for act in todo[:most]:
            act()
            self.sent += 1
        return most is None or len(todo) <= most

    def put(self, action):
        others = {item["order"] for name, item in self.items.items() if name != action["actionId"]}
        assert action["order"] not in others, f"DRS answers Conflict: {action['order']} is taken"
        assert 2 <= action["order"] <= 10000
        self.items[action["actionId"]] = {**action, "type": "SSM_COMMAND"}

    @property
    def live(self):
        return sorted(self.items.values(), key=lambda item: item["order"])

    @property
    def active(self):
        return [action["name"] for action in self.live if action["active"] and action["name"] != "theirs"]

    @property
    def foreign(self):
        return [action for action in self.live if action["name"] == "theirs"]


orders = st.permutations(NAMES).flatmap(lambda names: st.integers(0, 4).map(lambda count: names[:count]))
taken = st.lists(st.integers(999, 1006), max_size=3, unique=True)


@given(orders, orders, taken)
def test_what_is_declared_is_there_in_its_order_and_nothing_is_sent_twice(first, second, foreign):
    drs = FakeActions(foreign)
    before = drs.foreign

    drs.bring(declared(*first), is_temporary=False)
    drs.bring(declared(*second), is_temporary=False)
    sent = drs.sent
    drs.bring(declared(*second), is_temporary=False)

    assert drs.active == second
    assert drs.foreign == before
    assert drs.sent == sent


@given(orders, orders, taken, st.lists(st.integers(0, 3), max_size=4))
def test_killed_anywhere_it_goes_on_from_what_is_there(first, second, foreign, kills):
    drs = FakeActions(foreign)
    drs.bring(declared(*first), is_temporary=False)

    for most in kills:
        drs.bring(declared(*second), is_temporary=False, most=most)
    drs.bring(declared(*second), is_temporary=False)

    assert drs.active == second


@given(orders, orders, st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=5))
def test_a_drill_s_actions_are_put_back_to_the_last_letter_however_often_it_dies(usual, drill, kills):
    drs = FakeActions([1001])
    drs.bring(declared(*usual), is_temporary=False)
    before = drs.live

    for is_temporary, most in kills:
        drs.bring(declared(*drill) if is_temporary else None, is_temporary=is_temporary, most=most)
    drs.bring(declared(*drill), is_temporary=True)
    assert drs.active == drill
    drs.bring(None, is_temporary=False)

    assert drs.live == before
    assert drs.tag is None


@given(orders, orders, st.integers(0, 5))
def test_a_recovery_after_a_drill_that_died_has_the_recovery_s_actions(usual, drill, most):
    drs = FakeActions()
    drs.bring(declared(*usual), is_temporary=False)
    drs.bring(declared(*drill), is_temporary=True, most=most)

    drs.bring(declared(*usual), is_temporary=False)

    assert drs.active == usual
    assert drs.tag is None


def test_a_drill_that_wants_what_is_there_changes_nothing():
    drs = FakeActions()
    drs.bring(declared("check"), is_temporary=False)

    assert calls(SERVER, declared("check"), drs.live, is_temporary=True).is_nothing


def test_what_was_switched_off_or_edited_is_drift():
    drs = FakeActions()
    drs.bring(declared("check", "mount"), is_temporary=False)
    drs.items[action_id(SERVER, "mount")]["active"] = False

    needed = calls(SERVER, declared("check", "mount"), drs.live, is_temporary=False)

    assert (needed.was, needed.now) == (("check",), ("check", "mount"))
    assert [action["name"] for action in needed.put] == ["mount"]


def test_ours_is_what_has_our_id_for_its_name():
    assert is_ours(SERVER, {"actionId": action_id(SERVER, "check"), "name": "check"})
    assert not is_ours(SERVER, {"actionId": action_id(SERVER, "check"), "name": "renamed"})
    assert not is_ours(SERVER, {"actionId": action_id(SERVER, "check", is_drill=True), "name": "check"})


def test_parameters_are_names_of_ssm_parameters_or_dynamic():
    wanted = declared("check", parameters={"commands": "dr.register", "instance": {"dynamic": "launchedInstanceId"}})

    (put,) = calls(SERVER, wanted, [], is_temporary=False).put

    assert put["parameters"] == {
        "commands": {"type": "SSM_STORE", "value": "dr.register"},
        "instance": {"type": "DYNAMIC", "value": "launchedInstanceId"},
    }
    assert stored_parameters(wanted) == ("dr.register",)


@pytest.mark.parametrize(
    ("given_actions", "said"),
    [
        (declared("check"), []),
        ([], []),
        ("x", ["actions must be a list of actions with code and name, but is 'x'"]),
        (
            declared("check", "check"),
            ["actions: check is there 2 times: a name is what DRS and a report call it by"],
        ),
        (
            [{"code": "a b", "name": "-x"}],
            [
                "actions: code must be an SSM document: letters, digits, - / :, but is 'a b'",
                "actions: name must be letters, digits, blanks, / _ -, beginning with a letter or digit, but is '-x'",
            ],
        ),
        (
            declared("check", parameters={"commands": "echo $HOME"}),
            [
                (
                    "actions: check: commands must be the name of an SSM parameter (letters, digits, . and -; DRS "
                    "takes no literal values), or {dynamic: NAME}, but is 'echo $HOME'"
                )
            ],
        ),
        (
            declared("check", parameters={"commands": "/dr/register_it"}),
            [
                (
                    "actions: check: commands must be the name of an SSM parameter (letters, digits, . and -; DRS "
                    "takes no literal values), or {dynamic: NAME}, but is '/dr/register_it': keep the content of the "
                    "SSM parameter /dr/register_it in one called dr.register-it as well, and write dr.register-it here"
                )
            ],
        ),
        (
            declared("check", parameters={"a_b": "x"}),
            ["actions: check: a parameter's name has letters and digits only, not 'a_b'"],
        ),
        (
            declared("check", parameters={f"p{number}": "x" for number in range(21)}),
            ["actions: check has 21 parameters, and DRS takes 20"],
        ),
    ],
)
def test_actions_that_are_wrong_by_themselves_are_said(given_actions, said):
    assert list(wrong_actions(given_actions)) == said


def test_runs_are_read_with_what_they_mean():
    participating = {
        "launchActionsStatus": {
            "runs": [
                {"action": {"name": "check", "optional": True}, "status": "FAILED", "failureReason": "exit 1"},
                {"action": {"actionCode": "AWS-X", "optional": False}, "status": "IN_PROGRESS"},
            ]
        }
    }

    assert read_runs(participating) == (
        {"name": "check", "status": "FAILED", "optional": True, "reason": "exit 1"},
        {"name": "AWS-X", "status": "IN_PROGRESS", "optional": False, "reason": None},
    )
    assert read_runs(None) == read_runs({"launchActionsStatus": None}) == ()

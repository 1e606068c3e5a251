"""A clean-up look by look, without Airflow: what it terminates, remembers, waits for, and when it gives up."""

from datetime import timedelta

import pytest
from drs_provider.exceptions import AccessDenied, CleanupIncomplete, Conflict, QuotaExceeded, RunRefused
from drs_provider.hooks.drill_resources import AttachedResources
from drs_provider.rules.cleanup.terminate import MOST_REQUESTS
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.run.handover import CleanedUp, CleanedUpInstance, FewestLeft, InstanceParts, TerminationTargets
from drs_provider.services.drill.terminate import MOST_SPLITS, CleanUp, CleanUpWaits, InstanceChoice, terminations
from drs_provider.services.store import load, save
from kit.fake_drs import NOW, FakeDrs, MemoryStore

LATE = NOW + timedelta(hours=2)


def look(drs, store, chosen, *, requests=0, now=NOW, started=None):
    clean_up = CleanUp(drs, store, chosen, on_started=(started if started is not None else []).append)
    return clean_up.look(began=NOW, deadline=LATE, requests=requests, now=now)


def test_an_instance_is_terminated_once_and_seen_to_be_gone():
    drs, store, started = FakeDrs(), MemoryStore(), []
    name = drs.add_instance("s-1")
    chosen = InstanceChoice(source_server_ids=("s-1",))

    first = look(drs, store, chosen, started=started)
    second = look(drs, store, chosen, requests=first.requests, started=started)
    drs.end(drs.all_jobs[0])
    drs.ec2[name] = "terminated"
    drs.instances.clear()
    last = look(drs, store, chosen, requests=second.requests, started=started)

    job_id = drs.all_jobs[0]["jobID"]
    assert first == CleanUpWaits((job_id,), 1)
    assert second == CleanUpWaits((job_id,), 1)
    assert last == CleanedUp(
        terminated=(
            CleanedUpInstance(
                instance_id=name, server_id="s-1", created_by_launch="DRS has tagged it as launched for s-1"
            ),
        ),
        job_ids=(job_id,),
    )
    assert (started, drs.terminated) == ([job_id], [(name,)])


def test_a_named_instance_that_is_no_drills_is_refused_unless_it_is_wanted():
    drs = FakeDrs()
    name = drs.add_instance("s-1", is_drill=False)

    with pytest.raises(RunRefused) as refused:
        look(drs, MemoryStore(), InstanceChoice(recovery_instance_ids=(name,)))
    assert str(refused.value) == (
        f"DRS does not call these a drill's instances: {name}. Nothing was terminated; set include_recovery=True to "
        "terminate them too"
    )
    assert drs.terminated == []

    look(drs, MemoryStore(), InstanceChoice(recovery_instance_ids=(name,), include_recovery=True))
    assert drs.terminated == [(name,)]


@pytest.mark.parametrize(
    ("requests", "now", "is_given_up"),
    [(0, NOW, False), (MOST_REQUESTS - 1, NOW, False), (MOST_REQUESTS, NOW, True), (0, LATE, True)],
)
def test_a_clean_up_gives_up_after_some_requests_or_at_its_deadline(requests, now, is_given_up):
    drs = FakeDrs()
    name = drs.add_instance("s-1")
    chosen = InstanceChoice(recovery_instance_ids=(name,))

    if not is_given_up:
        assert isinstance(look(drs, MemoryStore(), chosen, requests=requests, now=now), CleanUpWaits)
        return
    with pytest.raises(CleanupIncomplete) as given_up:
        look(drs, MemoryStore(), chosen, requests=requests, now=now)
    assert given_up.value.left == {name: "DRS accepted the termination, and it is still there"}


def test_requests_count_anew_where_fewer_instances_are_left_than_ever():
    drs, store = FakeDrs(), MemoryStore()
    names = (drs.add_instance("s-1"), drs.add_instance("s-2"))
    save(store, FewestLeft(instances=3))

    outcome = look(drs, store, InstanceChoice(recovery_instance_ids=names), requests=MOST_REQUESTS)

    assert outcome.requests == 1
    assert load(store, FewestLeft) == FewestLeft(instances=2)


@pytest.mark.parametrize(
    ("undeletable", "snapshots", "outcome"),
    [
        ((), {}, CleanUpWaits((), 1)),
        (("vol-1",), {}, {"vol-1": "EC2 accepted the deletion, and it is still there"}),
        (
            (),
            {"snap-1": "vol-1"},
            {"snap-1": "a snapshot of vol-1, a drill's volume, that DRS does not remove: delete it manually"},
        ),
    ],
)
def test_what_ec2_keeps_of_an_instance_is_deleted_or_named(undeletable, snapshots, outcome):
    drs, store = FakeDrs(), MemoryStore()
    name = drs.add_instance("s-1")
    drs.parts[name] = AttachedResources(("vol-1",), ())
    chosen = InstanceChoice(recovery_instance_ids=(name,))
    first = look(drs, store, chosen)
    drs.end(drs.all_jobs[0])
    drs.ec2[name] = "terminated"
    drs.kept, drs.undeletable, drs.snapshots = {"vol-1"}, set(undeletable), snapshots

    if isinstance(outcome, dict):
        with pytest.raises(CleanupIncomplete) as left:
            look(drs, store, chosen, requests=MOST_REQUESTS)
        assert left.value.left == outcome
    else:
        assert isinstance(look(drs, store, chosen, requests=first.requests), CleanedUp)
        assert drs.kept == set()


JOB = {"jobID": "drsjob-ours", "type": "LAUNCH", "status": "COMPLETED", "creationDateTime": NOW.isoformat()}


@pytest.mark.parametrize(
    ("job_id", "is_drill", "tags", "said"),
    [
        ("drsjob-theirs", True, {}, "it was launched by drsjob-theirs, which is not this run's: it is kept"),
        ("drsjob-ours", False, {}, "DRS does not call it a drill's instance, so it is kept"),
        ("drsjob-ours", None, {}, "DRS does not call it a drill's instance, so it is kept"),
        (
            "drsjob-ours",
            True,
            {"drs-orchestrator:mode": "recovery"},
            "its tag drs-orchestrator:mode is 'recovery', so it is kept",
        ),
    ],
)
def test_what_is_only_remembered_is_asked_for_again_and_spared(job_id, is_drill, tags, said):
    """Somebody has written an instance into the task state store."""
    drs, store = FakeDrs(), MemoryStore()
    drs.all_jobs.append({**JOB, "participatingServers": [], "tags": {"drs-orchestrator:run": "r"}})
    name = drs.add_instance("s-1", job_id)
    drs.instances[-1] |= {"isDrill": is_drill, "tags": tags}
    save(store, TerminationTargets(instances={name: "s-1"}))

    outcome = look(drs, store, InstanceChoice(job_ids=("drsjob-ours",)))

    assert outcome == CleanedUp(left={name: said})
    assert drs.terminated == []


def test_what_drs_does_not_show_is_never_terminated_and_named_in_the_end():
    drs, store = FakeDrs(), MemoryStore()
    drs.ec2["i-production"] = "running"
    save(store, TerminationTargets(instances={"i-production": "s-1"}))
    chosen = InstanceChoice(job_ids=("drsjob-ours",))

    assert look(drs, store, chosen) == CleanUpWaits((), 1)
    with pytest.raises(CleanupIncomplete) as given_up:
        look(drs, store, chosen, requests=MOST_REQUESTS)

    assert given_up.value.left == {
        "i-production": (
            "DRS does not show it now, so nothing proves that it is a drill's instance: it was not terminated; look at "
            "it in EC2"
        )
    }
    assert drs.terminated == []


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (
            {},
            "no tag says that it is a drill's: it was not deleted; look at it in EC2, and delete it manually if it is",
        ),
        (
            {"drs-orchestrator:run": "r", "drs-orchestrator:mode": "recovery", "drs-orchestrator:run-id": "x"},
            "its tags say that it is of the recovery x of a plan that is not named: it was not deleted",
        ),
        (
            {"drs-orchestrator:run": "another", "drs-orchestrator:mode": "drill"},
            "its tags say that it is of the drill another of a plan that is not named: it was not deleted",
        ),
    ],
)
@pytest.mark.parametrize("where", ["volumes", "interfaces"])
def test_a_volume_or_interface_that_is_only_remembered_is_not_deleted(where, tags, said):
    drs, store = FakeDrs(), MemoryStore()
    drs.all_jobs.append({**JOB, "participatingServers": [], "tags": {"drs-orchestrator:run": "r"}})
    drs.kept, drs.ec2_tags = {"vol-foreign"}, {"vol-foreign": tags}
    save(store, InstanceParts(**{where: ("vol-foreign",)}))

    with pytest.raises(CleanupIncomplete) as left:
        look(drs, store, InstanceChoice(job_ids=("drsjob-ours",)), requests=MOST_REQUESTS)

    assert left.value.left == {"vol-foreign": said}
    assert drs.kept == {"vol-foreign"}


def test_a_volume_of_the_drill_by_its_tags_is_deleted():
    drs, store = FakeDrs(), MemoryStore()
    drs.all_jobs.append({**JOB, "participatingServers": [], "tags": {"drs-orchestrator:run": "r"}})
    drs.kept = {"vol-1"}
    save(store, InstanceParts(volumes=("vol-1",)))

    assert look(drs, store, InstanceChoice(job_ids=("drsjob-ours",))) == CleanedUp()
    assert drs.kept == set()


def test_an_instance_whose_tags_name_another_run_is_kept_also_where_its_job_is_named():
    """Somebody has written the job of another plan's drill into what a start task left."""
    drs = FakeDrs()
    drs.all_jobs.append({**JOB, "participatingServers": [{"sourceServerID": "s-1"}], "tags": {}})
    name = drs.add_instance("s-1", "drsjob-ours")
    drs.instances[-1]["tags"] = {
        "drs-orchestrator:run": "theirs",
        "drs-orchestrator:mode": "drill",
        "drs-orchestrator:plan": "drs.payroll",
        "drs-orchestrator:run-id": "manual__x",
    }

    outcome = look(drs, MemoryStore(), InstanceChoice(job_ids=("drsjob-ours",), runs=("ours",)))

    said = "its tags say that it is of manual__x of drs.payroll, which is another run: it is kept"
    assert outcome == CleanedUp(left={name: said})
    assert drs.terminated == []


@pytest.mark.parametrize("how", ["named by the launch settings", "tagged to be launched into", "made before its job"])
def test_an_instance_that_no_launch_created_is_kept_and_said(how):
    drs = FakeDrs()
    job = drs.add_job(["s-1", "s-2"])
    drs.end(job)
    theirs, ours = drs.add_instance("s-1", job["jobID"]), drs.add_instance("s-2", job["jobID"])
    if how == "named by the launch settings":
        drs.into["s-1"] = theirs
    elif how == "tagged to be launched into":
        drs.tags[theirs] = {"AWSDRS": "AllowLaunchingIntoThisInstance"}
    else:
        drs.created[theirs] = NOW - timedelta(days=30)
    store, chosen = MemoryStore(), InstanceChoice(job_ids=(job["jobID"],))

    look(drs, store, chosen)
    drs.end(drs.all_jobs[1])
    drs.ec2[ours] = "terminated"
    last = look(drs, store, chosen, requests=1)

    assert drs.terminated == [(ours,)]
    assert [(gone.instance_id, bool(gone.created_by_launch)) for gone in last.terminated] == [(ours, True)]
    assert list(last.left) == [theirs]
    assert last.left[theirs].endswith("so it is kept: look at it in EC2, and stop or repair it manually")


def test_a_named_instance_that_no_launch_created_is_refused_whatever_is_asked():
    drs = FakeDrs()
    name = drs.add_instance("s-1")
    drs.into["s-1"] = name

    with pytest.raises(RunRefused) as refused:
        look(drs, MemoryStore(), InstanceChoice(recovery_instance_ids=(name,), include_recovery=True))

    assert str(refused.value) == (
        f"Nothing was terminated, for no launch is proven to have created: {name}: the server's launch settings name "
        "it as the existing instance to launch into, so it is kept: look at it in EC2, and stop or repair it manually"
    )
    assert drs.terminated == []


class Refusing(FakeDrs):
    """A DRS that refuses a request whole for any of these instances."""

    def __init__(self, *bad, error=Conflict, **more):
        super().__init__(**more)
        self.bad, self.error = set(bad), error

    def terminate(self, instance_ids):
        if self.bad & set(instance_ids):
            self.terminated.append(())
            raise self.error("TerminateRecoveryInstances", self.error.__name__, "no")
        return super().terminate(instance_ids)


def names(count):
    return [f"i-{number}" for number in range(count)]


def outcomes(drs, instances):
    return {name: isinstance(outcome, dict) for batch, outcome in terminations(drs, instances) for name in batch}


@pytest.mark.parametrize(
    ("count", "quota", "sizes"),
    [(0, 100, []), (120, 100, [100, 20]), (250, 300, [200, 50]), (5, 2, [2, 2, 1])],
)
def test_a_request_holds_as_many_instances_as_a_job_may(count, quota, sizes):
    drs = FakeDrs(quotas=Quotas(servers_per_job=quota))

    assert all(outcomes(drs, names(count)).values())
    assert [len(batch) for batch in drs.terminated] == sizes


def test_one_instance_that_cannot_go_now_does_not_keep_the_others():
    drs = Refusing("i-37")

    assert outcomes(drs, names(100)) == {name: name != "i-37" for name in names(100)}


def test_a_request_is_not_divided_for_ever():
    drs = Refusing(*names(100))

    assert outcomes(drs, names(100)) == dict.fromkeys(names(100), False)
    assert len(drs.terminated) <= 2 * MOST_SPLITS + 1


@pytest.mark.parametrize("error", [QuotaExceeded, AccessDenied])
def test_what_speaks_of_no_instance_is_not_divided(error):
    drs = Refusing("i-1", error=error)

    assert outcomes(drs, names(4)) == dict.fromkeys(names(4), False)
    assert drs.terminated == [()]


def launched(drs, server="s-1"):
    """Add a job that has launched an instance long ago, and return its id."""
    job = drs.add_job([server], created=NOW - timedelta(hours=2))
    drs.end(job)
    return job["jobID"]


def gives_up(drs, store, chosen):
    """Look until the clean-up gives up; return what it says is left, and how often it has looked."""
    requests = 0
    for looks in range(1, 20):
        try:
            requests = look(drs, store, chosen, requests=requests).requests
        except CleanupIncomplete as given_up:
            return given_up.left, looks
    raise AssertionError("it never gives up")


def test_an_instance_that_drs_does_not_show_and_ec2_has_is_left_with_its_name():
    drs = FakeDrs()
    job, drs.targets["s-1"], drs.ec2["i-9"] = launched(drs), "i-9", "running"

    left, looks = gives_up(drs, MemoryStore(), InstanceChoice(job_ids=(job,)))

    assert (looks, drs.terminated) == (MOST_REQUESTS + 1, [])
    assert left == {
        "i-9": "DRS does not show it now, so nothing proves that it is a drill's instance: it was not terminated; "
        "look at it in EC2"
    }


@pytest.mark.parametrize("state", ["terminated", None])
def test_what_drs_does_not_show_and_ec2_has_no_more_is_gone(state):
    drs = FakeDrs()
    job, drs.targets["s-1"] = launched(drs), "i-9"
    drs.ec2 |= {"i-9": state} if state else {}

    assert look(drs, MemoryStore(), InstanceChoice(job_ids=(job,))) == CleanedUp()


def test_an_instance_of_which_drs_does_not_say_whether_it_is_a_drills_is_looked_at_again_and_then_left():
    drs, store = FakeDrs(), MemoryStore()
    job = launched(drs)
    name = drs.add_instance("s-1", job)
    chosen = InstanceChoice(job_ids=(job,))
    del drs.instances[0]["isDrill"]

    left, looks = gives_up(drs, store, chosen)
    assert (looks, drs.terminated) == (MOST_REQUESTS + 1, [])
    assert left == {name: "DRS does not say whether it is a drill's instance, so it is kept: look at it in EC2"}

    drs.instances[0]["isDrill"] = True
    look(drs, store, chosen)
    assert drs.terminated == [(name,)]


@pytest.mark.parametrize(("state", "gone_before"), [("NOT_FOUND", True), ("RUNNING", True), ("TERMINATED", False)])
def test_what_is_gone_when_the_clean_up_finds_it_was_ended_by_others(state, gone_before):
    drs, store = FakeDrs(), MemoryStore()
    name = drs.add_instance("s-1", launched(drs), state=state)
    drs.ec2[name] = "terminated"
    chosen = InstanceChoice(job_ids=(drs.all_jobs[0]["jobID"],))

    done = [look(drs, store, chosen) for _ in range(2)]

    assert [[(gone.instance_id, gone.gone_before) for gone in found.terminated] for found in done] == [
        [(name, gone_before)]
    ] * 2
    assert drs.terminated == []


def test_what_ec2_does_not_know_yet_and_drs_says_runs_was_not_gone_before():
    drs, store = FakeDrs(), MemoryStore()
    name = drs.add_instance("s-1", launched(drs))
    chosen = InstanceChoice(job_ids=(drs.all_jobs[0]["jobID"],))
    del drs.ec2[name]
    look(drs, store, chosen)
    drs.end(drs.all_jobs[1])
    drs.ec2[name], drs.instances[0]["ec2InstanceState"] = "terminated", "NOT_FOUND"

    assert drs.terminated == [(name,)]
    assert [gone.gone_before for gone in look(drs, store, chosen).terminated] == [False]


def test_what_the_clean_up_has_ended_itself_was_not_gone_before():
    drs, store = FakeDrs(), MemoryStore()
    name = drs.add_instance("s-1", launched(drs))
    chosen = InstanceChoice(job_ids=(drs.all_jobs[0]["jobID"],))
    look(drs, store, chosen)
    drs.end(drs.all_jobs[1])
    drs.ec2[name], drs.instances[0]["ec2InstanceState"] = "terminated", "NOT_FOUND"

    assert [gone.gone_before for gone in look(drs, store, chosen).terminated] == [False]

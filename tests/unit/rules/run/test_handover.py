"""Documents between tasks: what was written before is read, what is written is read again, what is newer is refused."""

import dataclasses
import inspect
import json
import types
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from drs_provider.exceptions import RunRefused
from drs_provider.rules.launch.next_launch import Try
from drs_provider.rules.launch.quotas import Quotas
from drs_provider.rules.launch.recovery_points import Point
from drs_provider.rules.launch.results import MOST_EVENTS, ServerResult
from drs_provider.rules.run import handover
from drs_provider.rules.run.handover import (
    DOCUMENTS,
    ActionBegun,
    ApprovalMemory,
    Asked,
    BackLaunches,
    CleanedUp,
    CleanUpList,
    CommitMemory,
    CommitRecord,
    Delay,
    Document,
    EndedJobs,
    FailbackOutcome,
    FailbackProgress,
    FailbackServer,
    FailureMessage,
    FewestLeft,
    FinalSync,
    FollowedJobs,
    FoundLaunches,
    GivenOrder,
    GivenOrders,
    HandedOver,
    HandoverUnreadable,
    HeldSince,
    HomeLook,
    HomeLooks,
    InstanceBoots,
    InstanceChecks,
    InstanceParts,
    InstanceStarts,
    KeptDrill,
    KeptDrillMemory,
    KeptReport,
    LaterLaunches,
    Launch,
    LaunchAttempt,
    LaunchIntents,
    LaunchPhases,
    Leftovers,
    LeftoversTold,
    LeftToItself,
    ListedServer,
    ManagersKnown,
    MappedServer,
    NotBelieved,
    Notifications,
    NotificationsSoFar,
    OpeningMemory,
    OutsideChanges,
    PinnedPoints,
    PlanRunStart,
    PreflightResult,
    PreparedNetworks,
    ProofsBeforeRemoval,
    RecordedAnswer,
    RefusalMemory,
    RefusedAtFirst,
    RemovalMemory,
    RemovedNetworks,
    RemovedSoFar,
    RolledBack,
    RunInstallation,
    RunOrder,
    SentCalls,
    ServerResults,
    SettingsChanges,
    SettingsChangesSoFar,
    SettingsFindings,
    SettingsInForce,
    StartedJobs,
    StepProgress,
    StepResult,
    StopBegan,
    StoppedSources,
    Superseded,
    Sweep,
    SweepBegan,
    SyncBegan,
    TaskBegan,
    TaskTimes,
    TerminateJobs,
    TerminationTargets,
    Tries,
    Unprotected,
    Untagged,
    WaitingSince,
    WaveDeadline,
    WaveVerdict,
    WrittenReport,
)
from drs_provider.rules.run.roster import Target
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

AT = "2026-11-22T05:00:06.250000+00:00"
MOMENT = datetime(2026, 11, 22, 5, 0, 6, 250000, tzinfo=UTC)
WEST, EAST = Target("aws_default", "us-west-2"), Target("east", "us-east-1")
LISTED = {
    "server_id": "s-1",
    "hostname": "db1",
    "recovered": "i-3",
    "failback_servers": ("s-9",),
    "failed_back": "i-4",
    "protected_by": "s-1",
    "account": "111122223333",
    "region": "us-west-2",
}
POINT = {"snapshot_id": "pit-1", "at": AT, "why": "point_in_time"}
MEMBER = {
    "server_id": "s-1",
    "hostname": "db1",
    "group": "shop-db",
    "critical": True,
    "region": "us-west-2",
    "lag": 90.0,
    "order": 2,
    "settings": {"subnet_id": "subnet-1"},
}
SERVER = {
    **MEMBER,
    "placement": {
        "subnet_id": "subnet-1",
        "security_group_ids": ["sg-1"],
        "private_ip": None,
        "vpc_id": "vpc-1",
        "availability_zone": "us-west-2a",
    },
    "point": POINT,
}
OTHER = {**SERVER, "server_id": "s-2", "hostname": "app1", "region": "us-east-1", "placement": {}}
del OTHER["point"]
PREFLIGHT = {
    "plan": "web-shop",
    "digest": "9f2c51e0",
    "passed": True,
    "mode": "drill",
    "reason": "",
    "point_in_time": "2026-11-22T05:00:00+00:00",
    "replace_live_instances": False,
    "continue_run": None,
    "checked_at": AT,
    "quotas": {str(WEST): {"jobs": 20, "servers_per_job": 100, "servers_in_jobs": 500}},
    "recoveries_seen": ["drsjob-9"],
    "skew_seconds": 12.5,
    "too_old": [],
    "needs_approval": False,
    "notes": ["launch actions in us-west-2 on db1: hello (AWS-Hello)"],
    "findings": [
        {"severity": "refusal", "what": "no group", "next_step": ""},
        {
            "severity": "warning",
            "server_id": "s-1",
            "hostname": "db1",
            "what": "replication lag is 4 min",
            "next_step": "look at it",
            "kind": "",
            "detail": "",
        },
    ],
    "cost": {
        "dollars": 1.5,
        "is_certain": False,
        "prices_of": "2026-01-01",
        "parts": [{"what": "2 x m5.large", "dollars": 1.5, "is_certain": False}],
    },
    "hourly": {"s-1": 0.1},
    "fingerprints": {"s-1": {"hostname": "db1", "disks": "/dev/sda: 1", "launch": "abc"}},
    "verified": {"verified": True, "why": "drilled", "run": "manual__1", "at": AT, "until": None},
    "excluded": [{**MEMBER, "server_id": "s-9"}],
    "waves": {
        "db": {
            "selected": True,
            "targets": [
                {"aws_conn_id": "aws_default", "region": "us-west-2", "servers": [SERVER]},
                {"aws_conn_id": "east", "region": "us-east-1", "servers": [OTHER]},
            ],
        },
        "app": {"selected": False, "targets": []},
    },
}
JOB = {"job_id": "drsjob-1", "servers": ["s-1"], "created_at": AT, "attempt": 1, "adopted": False}
LAUNCH = {
    "region": "us-west-2",
    "aws_conn_id": "aws_default",
    "started_at": AT,
    "attempt": 1,
    "jobs": [JOB],
    "tags": {"drs-orchestrator:expires": AT},
    "points": {"s-1": POINT},
}
FOLLOWED = {**JOB, "aws_conn_id": "aws_default", "region": "us-west-2"}
TRY = asdict(Try("drsjob-1", "InsufficientInstanceCapacity", "fallback", {"instance_type": "m5.large"}))
RESULT = ServerResult(
    "s-1", "db1", True, "launched", "i-1", "RUNNING", AT, "drsjob-1", events=({"at": AT, "event": "LAUNCH_END"},)
).as_json()
ENDED = {"job_id": "drsjob-1", "created_at": AT, "ended_at": None, "initiated_by": "START_DRILL"}
ASKED = {
    "at": AT,
    "until": AT,
    "try": 2,
    "subject": "Recover web-shop?",
    "people": ["maria"],
    "options": ["Approve", "Reject"],
    "text": "Recover?",
    "otherwise": "nothing is launched",
    "agreed": ["jan"],
}
ANSWER = {"chosen": "Reject", "by": "maria", "at": AT, "checked_at": AT, "expired": False, "comment": None}
COMMITS = {"began_at": AT, "until": AT, "decision": {"kind": "commit", "by": "ann", "at": AT}}
KEPT = {"began_at": AT, "until": AT, "ended_at": None, "by": None, "extended": 0}
CHANGES = {"s-1": [{"field": "subnet_id", "was": None, "now": "subnet-1"}]}
PROOF = {
    "vpc_id": "vpc-9",
    "isolated": False,
    "leaks": [{"path": "subnet a → igw", "what": "the internet", "next_step": "detach it"}],
    "notes": [],
    "looked_at": {"subnets": 2},
    "prints": {"subnets": "abc"},
}
RECORD = {
    "key": "sns-0",
    "id": "e1",
    "event": "started",
    "wave": None,
    "kind": "sns",
    "target": "topic ops in us-west-2",
    "at": AT,
    "outcome": "sent",
    "tries": 1,
    "why": None,
}
STEP = {
    "name": "smoke-test",
    "kind": "http",
    "on_failure": "fail",
    "state": "succeeded",
    "started_at": AT,
    "ended_at": AT,
    "attempts": 1,
    "summary": "200 OK",
    "output": "",
    "instances": [],
}

SOURCE = {"instance_id": "i-1", "account": "111122223333", "region": "us-east-1", "aws_conn_id": "aws_origin"}

BEFORE_VERSIONS: list[tuple[type[Document], Any, dict[str, Any]]] = [
    (PreflightResult, PREFLIGHT, {"plan": "web-shop", "skew": timedelta(seconds=12.5), "checked_at": MOMENT}),
    (Launch, LAUNCH, {"aws_conn_id": "aws_default", "started_at": MOMENT, "job_ids": ("drsjob-1",)}),
    (
        LaterLaunches,
        [{"aws_conn_id": "aws_default", "region": "us-west-2", "jobs": [FOLLOWED], "points": {"s-1": POINT}}],
        {
            "launches": (
                Launch(
                    aws_conn_id="aws_default",
                    region="us-west-2",
                    jobs=(handover.LaunchedJob(job_id="drsjob-1", servers=("s-1",), created_at=MOMENT),),
                    points={"s-1": Point("pit-1", MOMENT, "point_in_time")},
                ),
            )
        },
    ),
    (MappedServer, SERVER, {"server_id": "s-1", "hostname": "db1"}),
    (Tries, {"s-1": [TRY]}, {"base": None, "servers": {"s-1": (Try(**TRY),)}}),
    (Tries, {"base": 1, "servers": {"s-1": [TRY]}}, {"base": 1, "servers": {"s-1": (Try(**TRY),)}}),
    (
        InstanceChecks,
        {"s-1": {"instance_id": None, "is_drill": None, "protected": False, "differences": []}},
        {"servers": {"s-1": handover.InstanceCheck()}},
    ),
    (FollowedJobs, [FOLLOWED], {"jobs": (handover.FollowedJob(**FOLLOWED),)}),
    (
        LaunchPhases,
        {"jobs": {"drsjob-1": {"seen_at": AT, "servers": {"CONVERSION_START": ["s-1"]}}}},
        {"jobs": {"drsjob-1": handover.JobPhases(seen_at=MOMENT, servers={"CONVERSION_START": ("s-1",)})}},
    ),
    (WaitingSince, AT, {"since": MOMENT}),
    (WaitingSince, "", {"since": None}),
    (HeldSince, {"since": AT}, {"since": MOMENT}),
    (InstanceBoots, {"began_at": AT, "ended_at": AT}, {"began_at": MOMENT, "ended_at": MOMENT}),
    (
        InstanceStarts,
        {"instances": {"i-1": [{"at": AT, "refused": "no capacity", "is_capacity": True}, {"at": AT}]}},
        {
            "instances": {
                "i-1": (
                    handover.InstanceStart(at=MOMENT, refused="no capacity", is_capacity=True),
                    handover.InstanceStart(at=MOMENT),
                )
            }
        },
    ),
    (PinnedPoints, {"s-1": POINT}, {"points": {"s-1": Point("pit-1", MOMENT, "point_in_time")}}),
    (RunInstallation, {"id": "dublin"}, {"id": "dublin"}),
    (
        SyncBegan,
        {"max_tries": 1, "at": AT, "until": AT, "servers": {"s-1": {"newest_id": "pit-1", "lag": "PT2S"}}},
        {"until": MOMENT, "servers": {"s-1": handover.ServerMark(newest_id="pit-1", lag=timedelta(seconds=2))}},
    ),
    (
        FinalSync,
        {"quiesced_at": AT, "steps": ["freeze"], "doubts": [], "points": {"s-1": POINT}},
        {"quiesced_at": MOMENT, "steps": ("freeze",), "points": {"s-1": Point("pit-1", MOMENT, "point_in_time")}},
    ),
    (
        StopBegan,
        {"max_tries": None, "until": AT, "before": ["i-1"]},
        {"max_tries": None, "until": MOMENT, "before": ("i-1",)},
    ),
    (
        StoppedSources,
        {"servers": {"s-1": {"instance": SOURCE, "before": True}}, "not_ec2": ["s-2"]},
        {
            "servers": {"s-1": handover.StoppedSource(instance=handover.SourceInstance(**SOURCE), before=True)},
            "not_ec2": ("s-2",),
        },
    ),
    (LaunchAttempt, {"attempt": 2}, {"attempt": 2, "handed_over": None}),
    (LaunchAttempt, {"attempt": 2, "handed_over": 0}, {"attempt": 2, "handed_over": 0}),
    (
        LaunchIntents,
        [{"tags": {"a": "b"}, "servers": ["s-1"], "at": AT}],
        {"intents": (handover.LaunchIntent(tags={"a": "b"}, servers=("s-1",), at=MOMENT),)},
    ),
    (
        LaunchIntents,
        {"tags": {"a": "b"}, "servers": ["s-1"], "at": AT},
        {"intents": (handover.LaunchIntent(tags={"a": "b"}, servers=("s-1",), at=MOMENT),)},
    ),
    (
        StartedJobs,
        [
            {
                "jobID": "drsjob-1",
                "status": "PENDING",
                "creationDateTime": "",
                "tags": {"a": "b"},
                "participatingServers": [{"sourceServerID": "s-1", "launchStatus": "PENDING"}],
            }
        ],
        {"jobs": (handover.StartedJob(job_id="drsjob-1", created_at=None, tags={"a": "b"}, servers=("s-1",)),)},
    ),
    (
        ServerResults,
        [RESULT],
        {"servers": (ServerResult(**{**RESULT, "events": tuple(RESULT["events"]), "actions": ()}),)},
    ),
    (EndedJobs, [ENDED], {"jobs": (handover.EndedJob(**ENDED),)}),
    (
        WaveVerdict,
        {"verdict": "launched", "jobs": [ENDED], "servers": [RESULT]},
        {"verdict": "launched", "jobs": (handover.EndedJob(**ENDED),)},
    ),
    (
        WrittenReport,
        {"json": "/r/report.json", "html": "/r/report.html", "verdict": "passed", "why": "all is well"},
        {"json_path": "/r/report.json", "html_path": "/r/report.html", "verdict": "passed", "reason": "all is well"},
    ),
    (FailureMessage, "AccessDenied: no", {"message": "AccessDenied: no"}),
    (TaskTimes, {"began_at": AT, "ended_at": AT}, {"began_at": MOMENT, "ended_at": MOMENT}),
    (Superseded, "recovery drsjob-2 has taken db1", {"message": "recovery drsjob-2 has taken db1"}),
    (Notifications, [RECORD], {"records": (handover.NotificationRecord(**RECORD),)}),
    (NotificationsSoFar, {"max_tries": 1, "told": [RECORD]}, {"records": (handover.NotificationRecord(**RECORD),)}),
    (Asked, ASKED, {"try_number": 2, "until": MOMENT, "people": ("maria",), "agreed": ("jan",)}),
    (RecordedAnswer, ANSWER, {"chosen": "Reject", "checked_at": MOMENT, "expired": False}),
    (
        RecordedAnswer,
        {"chosen": None, "by": None, "at": AT, "expired": True},
        {"chosen": None, "expired": True, "checked_at": None},
    ),
    (
        RefusalMemory,
        {"max_tries": 0, "asked": ASKED, "answer": ANSWER, "words": "maria rejected the recovery"},
        {"message": "maria rejected the recovery", "answer": RecordedAnswer(**ANSWER)},
    ),
    (
        ApprovalMemory,
        {"try": [1], "by": ["maria"], "comments": {"maria": None}},
        {"max_tries": 1, "by": ("maria",), "comments": {"maria": None}},
    ),
    (
        ManagersKnown,
        {"roles": ["op"], "people": ["ann"], "at": AT},
        {"roles": ("op",), "people": ("ann",), "problem": "", "at": MOMENT},
    ),
    (Delay, {"at": AT, "until": AT}, {"at": MOMENT, "until": MOMENT}),
    (
        RunOrder,
        {"kind": "skip", "words": "wave app skipped by maria"},
        {"kind": "skip", "message": "wave app skipped by maria", "is_cancellation": False, "stands": True},
    ),
    (HandedOver, {"version": 1}, {"launches": {}, "intents": {}, "starts": {}}),
    (OpeningMemory, {"version": 1, "max_tries": 2}, {"max_tries": 2, "asked": None, "answer": None, "until": None}),
    (LeftToItself, {"version": 1, "waves": ["web"]}, {"waves": ("web",)}),
    (RunOrder, {"kind": "none", "words": "wave app retried"}, {"kind": "none", "stands": False}),
    (RunOrder, "cancelled by maria: a test", {"kind": "cancel", "message": "cancelled by maria: a test"}),
    (RunOrder, "wave app skipped by maria", {"kind": "skip", "message": "wave app skipped by maria"}),
    (
        GivenOrders,
        {"orders": [{"kind": "cancel", "at": AT, "by": "ada", "message": "cancelled by ada"}]},
        {"orders": (GivenOrder(kind="cancel", at=MOMENT, by="ada", message="cancelled by ada"),)},
    ),
    (KeptDrill, KEPT, {"until": MOMENT, "ended_at": None}),
    (KeptDrillMemory, {"max_tries": 0, "kept": KEPT}, {"max_tries": 0, "kept": KeptDrill(**KEPT)}),
    (CommitRecord, COMMITS, {"until": MOMENT, "decision": handover.CommitDecision(kind="commit", by="ann", at=MOMENT)}),
    (Unprotected, {"instances": ["i-1"]}, {"instances": ("i-1",)}),
    (CommitMemory, {"record": COMMITS}, {"record": CommitRecord.model_validate(COMMITS)}),
    (
        RolledBack,
        {"terminated": [{"instance_id": "i-1", "server_id": "s-1"}], "left": {"i-2": "committed"}, "ended_at": AT},
        {"left": {"i-2": "committed"}, "is_complete": False, "ended_at": MOMENT},
    ),
    (SettingsChanges, CHANGES, {"servers": {"s-1": (handover.SettingsChange(**CHANGES["s-1"][0]),)}}),
    (
        SettingsChangesSoFar,
        {"max_tries": 0, "servers": CHANGES},
        {"servers": {"s-1": (handover.SettingsChange(**CHANGES["s-1"][0]),)}},
    ),
    (
        SettingsFindings,
        [
            {
                "severity": "warning",
                "server_id": "s-1",
                "hostname": "db1",
                "what": "no such type",
                "next_step": "change it",
                "rule": "instance_type",
                "kind": "",
                "detail": "",
            }
        ],
        {
            "findings": (
                handover.PreflightFinding(
                    severity="warning",
                    server_id="s-1",
                    hostname="db1",
                    what="no such type",
                    next_step="change it",
                    rule="instance_type",
                ),
            )
        },
    ),
    (
        SettingsInForce,
        {"s-1": ["lt-1", 4, True]},
        {"servers": {"s-1": handover.TemplateInForce(template_id="lt-1", version=4, is_remembered=True)}},
    ),
    (
        PreparedNetworks,
        {
            "kind": "isolated",
            "region": "us-west-2",
            "checked_at": AT,
            "networks": [
                {
                    "production_vpc": "vpc-1",
                    "is_default_vpc": False,
                    "vpc_id": "vpc-9",
                    "cidrs": {"subnet-1": "10.0.0.0/24"},
                    "subnets": {"subnet-1": "subnet-9"},
                    "security_groups": {"sg-1": "sg-9"},
                    "default": {"subnet_id": None, "security_group_ids": ["sg-8"]},
                    "proof": PROOF,
                    "notes": [],
                }
            ],
        },
        {"is_isolated": False, "leaks": {"vpc-9": ("subnet a → igw: the internet. detach it",)}},
    ),
    (
        RemovedNetworks,
        {"removed": ["vpc-9"], "left": {"eni-1": "in use"}, "proofs": [{**PROOF, "changed": ["subnets"]}]},
        {"removed": ("vpc-9",), "left": {"eni-1": "in use"}},
    ),
    (ProofsBeforeRemoval, [{**PROOF, "changed": []}], {"proofs": (handover.NetworkProof(**PROOF),)}),
    (RemovedSoFar, ["vpc-9"], {"removed": ("vpc-9",)}),
    (
        CleanedUp,
        {
            "terminated": [{"instance_id": "i-1", "source_server_id": "s-1"}],
            "left": {"i-2": "no drill's"},
            "jobs": ["drsjob-3"],
        },
        {
            "terminated": (handover.CleanedUpInstance(instance_id="i-1", server_id="s-1"),),
            "left": {"i-2": "no drill's"},
            "job_ids": ("drsjob-3",),
        },
    ),
    (Leftovers, {"left": {"vol-1": "a volume"}}, {"left": {"vol-1": "a volume"}}),
    (LeftoversTold, {"left": ["vol-1"], "at": AT}, {"left": ("vol-1",), "at": MOMENT}),
    (
        FoundLaunches,
        {"servers": {"s-1": {"job_id": "drsjob-1", "instance_id": "i-1", "instance_state": "RUNNING"}}, "running": []},
        {
            "servers": {"s-1": handover.FoundLaunch(job_id="drsjob-1", instance_id="i-1", instance_state="RUNNING")},
            "problem": None,
        },
    ),
    (
        FoundLaunches,
        {"lost": {"s-2": {"instance_id": "i-2", "state": "terminated"}}},
        {"lost": {"s-2": handover.LostInstance(instance_id="i-2", state="terminated")}, "servers": {}},
    ),
    (OutsideChanges, {"changes": {"drsjob-1": "gone"}}, {"changes": {"drsjob-1": "gone"}}),
    (RefusedAtFirst, {}, {}),
    (NotBelieved, {"documents": {"XCom a of b": "no"}}, {"documents": {"XCom a of b": "no"}}),
    (WaveDeadline, {"max_tries": 0, "at": AT}, {"max_tries": 0, "at": MOMENT}),
    (
        KeptReport,
        {"verdict": "completed", "reason": "All is well.", "report": {"verdict": "completed"}},
        {"verdict": "completed", "report": {"verdict": "completed"}, "is_shortened": False},
    ),
    (Untagged, {"i-1": "AccessDenied"}, {"resources": {"i-1": "AccessDenied"}}),
    (
        Sweep,
        {"us-west-2": {"found": ["i-1"], "done": [], "waiting": {}, "left": {}, "kept": {"i-2": "a drill's"}}},
        {"targets": {"us-west-2": handover.TargetSweep(found=("i-1",), kept={"i-2": "a drill's"})}},
    ),
    (TerminationTargets, {"i-1": "s-1"}, {"instances": {"i-1": "s-1"}}),
    (TerminateJobs, ["drsjob-3"], {"job_ids": ("drsjob-3",)}),
    (InstanceParts, {"volumes": ["vol-1"], "interfaces": []}, {"volumes": ("vol-1",), "interfaces": ()}),
    (FewestLeft, 7, {"instances": 7}),
    (TaskBegan, {"max_tries": 0, "at": AT}, {"max_tries": 0, "at": MOMENT}),
    (SweepBegan, {"try": 1, "at": AT}, {"try_number": 1, "at": MOMENT}),
    (StepResult, STEP, {"state": "succeeded", "started_at": MOMENT}),
    (
        StepProgress,
        {
            "attempt": 1,
            "failures": 0,
            "max_tries": 0,
            "began_at": None,
            "first_began_at": AT,
            "begun": {"intent": 2, "sent": {"1": "cmd-1"}},
            "end": STEP,
        },
        {"began_at": None, "begun": {"intent": 2, "sent": {"1": "cmd-1"}}, "end": StepResult(**STEP)},
    ),
    (ActionBegun, 3, {"attempt": 3}),
    (
        PlanRunStart,
        {
            "plan": "shop",
            "dag_id": "drs.shop",
            "run_id": "drs__all__shop__1",
            "parent_plan": "all",
            "parent_dag_id": "drs.all",
            "parent_run_id": "manual__1",
            "parent_task_id": "before_waves.shop",
            "mode": "recovery",
            "approvals": [{"dag_id": "drs.all", "run_id": "manual__1", "task_id": "a", "by": "ann", "at": AT}],
        },
        {"mode": "recovery", "point_in_time": "latest", "continue_run": None},
    ),
    (
        FailbackProgress,
        {"at": AT, "servers": [{"server_id": "s-1", "hostname": "db1", "stage": "copying", "share": 0.4}]},
        {"at": MOMENT, "servers": (FailbackServer(server_id="s-1", hostname="db1", stage="copying", share=0.4),)},
    ),
    (
        FailbackOutcome,
        {"is_complete": False, "done": {"s-1": "the copy is up to date"}, "left": {"s-2": "it is stuck"}},
        {"is_complete": False, "done": {"s-1": "the copy is up to date"}, "left": {"s-2": "it is stuck"}},
    ),
    (
        SentCalls,
        {"calls": [{"call": "ReverseReplication", "target": "i-1", "at": AT}]},
        {"calls": (handover.SentCall(call="ReverseReplication", target="i-1", at=MOMENT),)},
    ),
    (
        HomeLooks,
        {"servers": {"s-1": {"at": AT, "stage": "reprotected", "protected_by": "s-1", "instance_id": "i-4"}}},
        {"servers": {"s-1": HomeLook(at=MOMENT, stage="reprotected", protected_by="s-1", instance_id="i-4")}},
    ),
    (
        RemovalMemory,
        {"called": [{"thing": "i-3", "server_id": "s-1", "call": "x", "at": AT}], "job_ids": ["drsjob-4"]},
        {"called": (handover.RemovedThing(thing="i-3", server_id="s-1", call="x", at=MOMENT),)},
    ),
    (
        BackLaunches,
        {"owners": {"s-9": "s-1"}, "already": {"s-2": "i-2"}, "held_back": {"s-3": "it is stuck"}},
        {"launches": (), "owners": {"s-9": "s-1"}, "already": {"s-2": "i-2"}, "held_back": {"s-3": "it is stuck"}},
    ),
    (
        CleanUpList,
        {"at": AT, "servers": [{**LISTED, "failback_servers": ["s-9"]}]},
        {"at": MOMENT, "servers": (ListedServer(**LISTED),)},
    ),
]
"""What tasks have written before documents had versions, and what of it is read."""


@pytest.mark.parametrize(
    ("document", "written", "facts"),
    BEFORE_VERSIONS,
    ids=[f"{row[0].__name__}-{n}" for n, row in enumerate(BEFORE_VERSIONS)],
)
def test_what_was_written_before_documents_had_versions_is_read(document, written, facts):
    found = document.from_json(written)

    assert {name: getattr(found, name) for name in facts} == facts
    assert document.from_json(found.to_json()) == found


def test_the_table_above_holds_every_document_and_every_document_is_listed():
    defined = {
        var
        for var in vars(handover).values()
        if inspect.isclass(var) and issubclass(var, Document) and var is not Document
    }

    assert {row[0] for row in BEFORE_VERSIONS} == set(DOCUMENTS) == defined
    assert len(DOCUMENTS) == len(set(DOCUMENTS))


def _values(annotation: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911  (one kind of type each)
    """Any value of a type that stands in a document."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is JsonValue:
        return _JSON
    if origin is Annotated:
        return _values(args[0])
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(_values, args))
    if origin is tuple:
        return st.lists(_values(args[0]), max_size=3).map(tuple)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return st.dictionaries(_values(args[0]), _values(args[1]), max_size=3)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        fields = get_type_hints(annotation, include_extras=True)
        return st.builds(annotation, **{name: _values(fields[name]) for name in annotation.model_fields})
    if dataclasses.is_dataclass(annotation):
        fields = get_type_hints(annotation)
        return st.builds(
            annotation, **{field.name: _values(fields[field.name]) for field in dataclasses.fields(annotation)}
        )
    return _SIMPLE[annotation]


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**53), 2**53),
    bool: st.booleans(),
    type(None): st.none(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
    timedelta: st.timedeltas(timedelta(days=-4000), timedelta(days=4000)),
    Any: _JSON,
    object: _JSON,
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
@settings(deadline=None)  # the first example builds the type's validator
@given(data=st.data())
def test_what_is_written_is_read_again_and_is_plain_json(document, data):
    left = data.draw(_values(document))

    written = left.to_json()

    assert written["version"] == document.VERSION
    assert document.from_json(json.loads(json.dumps(written))) == left


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_a_document_has_a_key_words_for_people_and_no_field_that_hides_its_version(document):
    assert document.KEY
    assert document.TITLE.startswith("the ")
    assert "version" not in document.model_fields
    assert document.read(None) is None


def test_no_two_documents_lie_in_the_same_place_but_for_what_tasks_return():
    places = [(document.PLACE, document.KEY) for document in DOCUMENTS if document.KEY != "return_value"]

    assert len(places) == len(set(places))


@pytest.mark.parametrize(
    ("document", "written", "said"),
    [
        (
            Launch,
            {"version": 2, "jobs": []},
            (
                "the record of a launch (XCom launch) cannot be read: it has version 2, and this release reads "
                "version 1 only. A newer release of the provider wrote it: upgrade this installation to that release"
            ),
        ),
        (
            FollowedJobs,
            {"version": 3, "jobs": []},
            (
                "the list of a wave's later jobs (task state store entry drs_followed) cannot be read: it has "
                "version 3, and this release reads versions 1 to 2. A newer release of the provider wrote it: upgrade "
                "this installation to that release"
            ),
        ),
        (
            Launch,
            {"version": "1", "jobs": []},
            (
                "the record of a launch (XCom launch) cannot be read: its version is '1', which no release writes. "
                "Clear the task that wrote it, to write it again"
            ),
        ),
        (
            Launch,
            [],
            (
                "the record of a launch (XCom launch) cannot be read: it is a list, not a mapping. Clear the task "
                "that wrote it, to write it again"
            ),
        ),
        (
            Launch,
            {"jobs": [{"servers": ["s-1"]}]},
            (
                "the record of a launch (XCom launch) cannot be read: jobs.0.job_id: Field required. Clear the task "
                "that wrote it, to write it again"
            ),
        ),
        (
            LaunchAttempt,
            {"attempt": "first"},
            (
                "the number of the launch attempt (task state store entry drs_launch) cannot be read: attempt: Input "
                "should be a valid integer, unable to parse string as an integer. Delete this entry of the task's "
                "state store, then clear the task"
            ),
        ),
        (
            Asked,
            {"at": 1},
            (
                "the question of a task (XCom asked) cannot be read: until: Field required. Clear the task that wrote "
                "it, to write it again"
            ),
        ),
        (
            PreflightResult,
            {},
            (
                "the result of preflight (XCom preflight) cannot be read: plan: Field required; digest: Field "
                "required; passed: Field required; and 4 more. Clear the task that wrote it, to write it again"
            ),
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(document, written, said):
    with pytest.raises(HandoverUnreadable) as refusal:
        document.from_json(written)

    assert isinstance(refusal.value, RunRefused)
    assert (str(refusal.value), refusal.value.reason) == (said, said)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
def test_a_newer_version_is_refused_by_every_document(document):
    with pytest.raises(HandoverUnreadable, match=f"it has version {document.VERSION + 1}, and this release reads "):
        document.from_json({"version": document.VERSION + 1})


@settings(deadline=None)
@given(value=_JSON, document=st.sampled_from(DOCUMENTS))
def test_whatever_lies_there_is_read_or_refused_and_nothing_else(value, document):
    try:
        found = document.read(value)
    except HandoverUnreadable:
        return
    assert found is None or isinstance(found, document)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("passed", "yes"),
        ("passed", 1),
        ("mode", "Drill"),
        ("mode", True),
        ("replace_live_instances", "False"),
        ("needs_approval", None),
    ],
)
def test_what_steers_a_run_is_read_to_the_letter(key, value):
    with pytest.raises(HandoverUnreadable, match=rf"\(XCom preflight\) cannot be read: {key}: "):
        PreflightResult.from_json({**PREFLIGHT, key: value})


def test_an_instant_without_an_offset_is_utc_and_others_are_brought_to_utc():
    read = [
        Delay.from_json({"at": text, "until": AT}).at for text in ("2026-11-22T05:00:00", "2026-11-22T06:00:00+01:00")
    ]

    assert [(moment, moment.tzinfo) for moment in read] == [(datetime(2026, 11, 22, 5, tzinfo=UTC), UTC)] * 2


def test_a_result_is_written_with_the_first_and_the_last_of_its_events():
    events = tuple({"at": AT, "event": f"E{number}"} for number in range(MOST_EVENTS + 5))
    result = ServerResult("s-1", "db1", True, "launched", events=events)

    [written] = ServerResults(servers=(result,)).to_json()["servers"]

    assert [event["event"] for event in written["events"]] == [
        *(f"E{number}" for number in range(20)),
        *(f"E{number}" for number in range(25, 45)),
    ]


class TestPreflight:
    found = PreflightResult.from_json(PREFLIGHT)

    def test_servers_are_those_of_the_chosen_waves_by_wave_and_target(self):
        def ids(servers):
            return [server.server_id for server in servers]

        assert ids(self.found.servers()) == ["s-1", "s-2"]
        assert ids(self.found.servers(EAST)) == ["s-2"]
        assert ids(self.found.servers_of("db", WEST)) == ["s-1"]
        assert ids(self.found.servers_of("db")) == ["s-1", "s-2"]
        assert ids(self.found.servers_of("app")) == []
        assert ids(self.found.wave("db").servers) == ["s-1", "s-2"]
        assert list(self.found.chosen_waves) == ["db"]
        assert self.found.may_be_launched == {"s-1", "s-2"}
        assert self.found.hostnames == {"s-1": "db1", "s-2": "app1"}

    @pytest.mark.parametrize(
        ("waves", "changed", "alone"),
        [
            pytest.param(["app"], {}, True, id="its only wave is not chosen"),
            pytest.param(["app", "db"], {}, False, id="one of its waves is chosen"),
            pytest.param(["app"], {"digest": "0"}, False, id="by another plan than this one"),
            pytest.param(["app"], {"continue_run": "f" * 32}, False, id="it continues a run that may have been there"),
            pytest.param(["mail"], {}, False, id="a wave that preflight does not know"),
            pytest.param(["app"], {"passed": False}, True, id="preflight refused and knows the waves"),
            pytest.param(["app"], {"passed": False, "waves": {}}, False, id="preflight refused before it knew any"),
        ],
    )
    def test_a_place_is_left_alone_only_where_no_wave_of_this_run_can_have_launched(self, waves, changed, alone):
        found = PreflightResult.from_json({**PREFLIGHT, **changed})

        assert found.leaves_alone(waves, PREFLIGHT["digest"]) is alone

    def test_a_server_is_found_by_its_id_and_by_its_hostname(self):
        assert [self.found.server_named(name) for name in ("s-2", "app1", "nobody")] == [
            self.found.server("s-2"),
            self.found.server("s-2"),
            None,
        ]
        assert (self.found.target_of("s-2"), self.found.wave_of("s-2")) == (EAST, "db")
        assert (self.found.target_of("s-9"), self.found.wave_of("s-9")) == (None, None)

    def test_quotas_belong_to_an_account_and_region(self):
        assert (self.found.quotas_of(WEST), self.found.quotas_of(EAST)) == (Quotas(20, 100, 500), None)

    def test_mode_and_point_in_time_are_read_as_the_request_says_them(self):
        recovery = self.found.model_copy(update={"mode": "recovery", "point_in_time": "latest"})

        assert (self.found.is_drill, self.found.as_of) == (True, datetime(2026, 11, 22, 5, tzinfo=UTC))
        assert (recovery.is_drill, recovery.as_of) == (False, None)

    def test_a_server_has_its_settings_its_place_and_its_point(self):
        server = self.found.server("s-1")

        assert (server.lag, server.order, server.settings) == (timedelta(seconds=90), 2, {"subnet_id": "subnet-1"})
        assert server.placement.is_known
        assert server.point == Point("pit-1", MOMENT, "point_in_time")
        assert not self.found.server("s-2").placement.is_known

    def test_a_wave_of_an_unknown_name_is_refused_in_words(self):
        with pytest.raises(HandoverUnreadable) as refusal:
            self.found.wave("web")

        assert str(refusal.value) == (
            "the result of preflight (XCom preflight) cannot be read: it has no wave web. Clear the task that wrote "
            "it, to write it again"
        )

    def test_what_was_not_chosen_launches_nothing_whatever_stands_there(self):
        db = {**PREFLIGHT["waves"]["db"], "selected": False}
        found = PreflightResult.from_json({**PREFLIGHT, "waves": {"db": db}})

        assert (found.servers(), found.servers_of("db"), found.server("s-1")) == ((), (), None)

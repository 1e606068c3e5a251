"""The words for the states of a run: one vocabulary for board, report, notices, questions, command line and demo.

====================================  ==================================================================================
word                                  meaning
====================================  ==================================================================================
**of a run**
``queued``                            Airflow has not started it
``checking``                          preflight goes on
``running``                           waves go on
``waiting_for_answer``                a person is asked, and nothing else goes on
``cleaning_up``                       the waves are over, and the clean-up goes on or the drill is kept for people
``rolling_back``                      people have rolled the recovery back, and its instances are being terminated
``reporting``                         the waves and the clean-up are over, and the report is being written
``passed``, ``completed``,            the verdict of its report
``completed_with_exceptions``,
``failed``, ``refused``,
``cancelled``, ``superseded``,
``checked``
``unknown``                           it is over, and its report is missing
**of preflight**
``waiting``, ``running``              not begun; under way
``waiting_for_answer``                an approval is asked for
``passed``                            everything of preflight has passed
``refused``                           it found a reason, somebody said no, or a task of it failed
``unproven``                          its task is green and left nothing: somebody marked it as successful
``not_started``                       the run ended before
**of a wave**
``waiting``                           its turn has not come
``delayed``                           its turn has come, and the delay of the plan passes
``waiting_for_answer``                a pause or an approval step asks a person
``preparing``                         its steps before the launch go on
``launching``                         its servers are being launched
``copying``                           its servers are being replicated to their origin
``running_steps``                     its steps after the launch go on (or those of a wave of steps only)
``launched``                          over: every server is launched, and every step is done
``ready``                             over: every server is replicated to its origin, and can be launched there
``completed``                         over: it has steps only, and every one is done
``completed_with_exceptions``         over: it went through, and something of it has to be looked at
``failed``                            over, or will be: servers or steps failed beyond what the plan tolerates
``cancelled``                         over: a person ended the run when some of it was done already
``skipped``                           it takes no part: not chosen, no server left, or left out by a person
``not_started``                       nothing of it was launched, and nothing will be
``unproven``                          its tasks are green and left no result: somebody marked them as successful
**of a server**
``waiting``                           its turn has not come
``launching``                         a DRS job holds it
``prepared``                          it was launched ahead of its wave, stopped; its wave has not started it
``launched``                          it is there, and nothing speaks against it
``copying``                           it is being replicated to its origin
``ready``                             it is replicated to its origin, and can be launched there
``stuck``                             it is not replicated to its origin, and does not come there by itself
``failed``                            it is not there, or not usable
``not_started``                       no job holds it, and none will
``skipped``                           its wave takes no part
``excluded``                          left out when the run was started
``unknown``                           a job was started for it, and nobody recorded what became of it
**of a step**
``waiting``, ``running``              not begun; under way, or tried again
``waiting_for_answer``                an approval step asks a person
``succeeded``                         it did what it should, and recorded it
``failed``                            it failed, and so does what it stands in
``tolerated``                         it failed, and the plan goes on
``skipped``                           it has nothing to do in this run
``not_started``                       it did nothing, and will not
``unproven``                          its task is green and left nothing: somebody marked it as successful
**of the clean-up**
``waiting``                           its turn has not come
``kept``                              the drill is kept for people before it is cleaned up
``running``                           under way
``completed``                         what was launched is terminated
``nothing_to_do``                     there was nothing to terminate
``incomplete``                        something is still there, or a task of it failed
``not_run``                           the run launches nothing that is cleaned up, or the run ended before
``unproven``                          its tasks are green and left nothing: somebody marked them as successful
**of commit or roll back**
``waiting``                           people are asked whether the recovery stands
``committed``                         it stands: what was launched stays
``rolling_back``                      what was launched is being terminated
``rolled_back``                       it is gone, and every source is replicated as before
``incomplete``                        something is still there, or a source is not replicated as before
``undecided``                         the task that asks ended, and nobody has decided
====================================  ==================================================================================
"""

from enum import StrEnum


class Word(StrEnum):
    """A word for a state, as it stands in JSON."""

    @property
    def words(self) -> str:
        """The same for people: ``completed with exceptions``."""
        return "waiting for an answer" if self.value == "waiting_for_answer" else self.value.replace("_", " ")


class RunStatus(Word):
    """How a run is doing, or how it ended."""

    QUEUED = "queued"
    CHECKING = "checking"
    RUNNING = "running"
    WAITING_FOR_ANSWER = "waiting_for_answer"
    CLEANING_UP = "cleaning_up"
    ROLLING_BACK = "rolling_back"
    REPORTING = "reporting"
    PASSED = "passed"
    COMPLETED = "completed"
    COMPLETED_WITH_EXCEPTIONS = "completed_with_exceptions"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    CHECKED = "checked"
    UNKNOWN = "unknown"

    @property
    def is_good(self) -> bool:
        """Whether Airflow's run is green with this verdict."""
        return self in (RunStatus.PASSED, RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_EXCEPTIONS, RunStatus.CHECKED)


class PreflightStatus(Word):
    """How far preflight is, with its approvals and networks."""

    WAITING = "waiting"
    RUNNING = "running"
    WAITING_FOR_ANSWER = "waiting_for_answer"
    PASSED = "passed"
    REFUSED = "refused"
    UNPROVEN = "unproven"
    NOT_STARTED = "not_started"


class WaveStatus(Word):
    """How far a wave is, or how it ended."""

    WAITING = "waiting"
    DELAYED = "delayed"
    WAITING_FOR_ANSWER = "waiting_for_answer"
    PREPARING = "preparing"
    LAUNCHING = "launching"
    COPYING = "copying"
    RUNNING_STEPS = "running_steps"
    LAUNCHED = "launched"
    READY = "ready"
    COMPLETED = "completed"
    COMPLETED_WITH_EXCEPTIONS = "completed_with_exceptions"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    NOT_STARTED = "not_started"
    UNPROVEN = "unproven"

    @property
    def is_done(self) -> bool:
        """Whether it went through, so that what waits for it may begin."""
        return self in (
            WaveStatus.LAUNCHED,
            WaveStatus.READY,
            WaveStatus.COMPLETED,
            WaveStatus.COMPLETED_WITH_EXCEPTIONS,
        )

    @property
    def is_over(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.is_done or self in (
            WaveStatus.FAILED,
            WaveStatus.CANCELLED,
            WaveStatus.SKIPPED,
            WaveStatus.NOT_STARTED,
            WaveStatus.UNPROVEN,
        )


class ServerStatus(Word):
    """What became of a server so far."""

    WAITING = "waiting"
    LAUNCHING = "launching"
    PREPARED = "prepared"
    LAUNCHED = "launched"
    COPYING = "copying"
    READY = "ready"
    STUCK = "stuck"
    FAILED = "failed"
    NOT_STARTED = "not_started"
    SKIPPED = "skipped"
    EXCLUDED = "excluded"
    UNKNOWN = "unknown"


class StepStatus(Word):
    """How far a step is, or how it ended."""

    WAITING = "waiting"
    RUNNING = "running"
    WAITING_FOR_ANSWER = "waiting_for_answer"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TOLERATED = "tolerated"
    SKIPPED = "skipped"
    NOT_STARTED = "not_started"
    UNPROVEN = "unproven"

    @property
    def is_to_come(self) -> bool:
        """Whether it goes on or is still to come."""
        return self in (StepStatus.WAITING, StepStatus.RUNNING, StepStatus.WAITING_FOR_ANSWER)

    @property
    def has_begun(self) -> bool:
        """Whether it has done something, or was found to have nothing to do."""
        return self not in (StepStatus.WAITING, StepStatus.NOT_STARTED)


class CleanupStatus(Word):
    """How far the clean-up of a drill is, or how it ended."""

    WAITING = "waiting"
    KEPT = "kept"
    RUNNING = "running"
    COMPLETED = "completed"
    NOTHING_TO_DO = "nothing_to_do"
    INCOMPLETE = "incomplete"
    NOT_RUN = "not_run"
    UNPROVEN = "unproven"


class CommitStatus(Word):
    """How the end of a recovery stands."""

    WAITING = "waiting"
    COMMITTED = "committed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    INCOMPLETE = "incomplete"
    UNDECIDED = "undecided"


class Cause(StrEnum):
    """What a state that is not good comes from; the words beside it say it for people."""

    PREFLIGHT = "preflight"
    """Preflight has not passed."""
    DEPENDENCY = "dependency"
    """A wave before it was not done."""
    ANSWER = "answer"
    """A person said no, or nobody answered in time."""
    CANCELLED = "cancelled"
    """A person ended the run."""
    LEFT_OUT = "left_out"
    """A person left it out while the run went on."""
    NOT_CHOSEN = "not_chosen"
    """It was not chosen for this run, or there is nothing of it left."""
    PASSED_OVER = "passed_over"
    """It failed, and a person let the run go on past it."""
    LOST = "lost"
    """Its account and Region does not answer."""
    SUPERSEDED = "superseded"
    """A recovery took the servers of the drill."""
    ONLY_LOOKS = "only_looks"
    """The run is a check, which launches nothing."""
    SERVERS = "servers"
    """Servers failed."""
    STEP = "step"
    """A step failed, or was not done."""
    TASK = "task"
    """Another task of it failed."""
    NO_RESULT = "no_result"
    """A task is green, or gone, and left no result."""

"""People who answer what runs ask: through Airflow's own code, while ``dag.test()`` waits for them."""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import SimpleNamespace

Answers = Mapping[str, Sequence[tuple[str, ...]]]
"""By task: who, the option, and perhaps the comment beside it."""


class People:
    """A thread that answers the questions of tasks, each task's in turn; what has no answer in the list is left alone.

    ``asked`` are the questions that were seen: task, subject, body.
    """

    def __init__(self, answers: Answers):
        self.answers = {task: list(said) for task, said in answers.items()}
        self.asked: list[tuple[str, str, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(10)

    def _run(self):
        from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
        from airflow.models.hitl import HITLDetail
        from airflow.utils.session import create_session
        from sqlalchemy.exc import OperationalError

        scheduler = SimpleNamespace(log=logging.getLogger(__name__))
        while not self._over.wait(0.2):
            # SQLite may be locked for long on a busy machine: nothing was written then, and the next turn tries again.
            with suppress(OperationalError), create_session() as session:
                # What the scheduler does about time-outs; nothing schedules here.
                SchedulerJobRunner.check_awaiting_input_timeouts(scheduler, session=session)
                for detail in list(session.query(HITLDetail).filter(HITLDetail.responded_at.is_(None))):
                    self._answer(session, detail)

    def _answer(self, session, detail):
        from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
        from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail

        task = detail.task_instance
        if task.state != "awaiting_input":
            return
        if (task.task_id, detail.subject, detail.body) not in self.asked:
            self.asked.append((task.task_id, detail.subject, detail.body))
        if not self.answers.get(task.task_id):
            return
        who, option, *comment = self.answers[task.task_id][0]
        detail.assignees = None  # whom Airflow would let answer is shown elsewhere
        update_hitl_detail(
            dag_id=task.dag_id,
            dag_run_id=task.run_id,
            task_id=task.task_id,
            update_hitl_detail_payload=UpdateHITLDetailPayload(
                chosen_options=[option], params_input={"comment": comment[0]} if comment else {}
            ),
            user=SimpleNamespace(get_id=lambda: who, get_name=lambda: who),
            session=session,
        )
        session.commit()
        self.answers[task.task_id].pop(0)

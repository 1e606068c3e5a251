"""Every touch of what Airflow does not promise: this package is what to mend for a new minor of Airflow.

Airflow promises the names of ``airflow.sdk.__all__``, the documented exceptions of ``airflow.sdk.exceptions``,
``airflow.triggers.base``, ``airflow.listeners.hookimpl`` and the operators, hooks and triggers of its providers.
``tests/airflow/test_airflow_internals.py`` has a test for each touch, named below, and one that fails when a module
outside of this package imports anything else of Airflow.

==================  =====================================  ===================================  =====================
module              what                                   why                                  test
==================  =====================================  ===================================  =====================
``tasks``           ``context["task_state_store"]``,       what a try leaves for the next; the  ``..store..``
                    ``NEVER_EXPIRE``                       stub of ``airflow.sdk`` lacks the
                                                           latter
``tasks``           ``DownstreamTasksSkipped``             preflight skips questions that       ``..skips..``
                                                           nobody has to answer
``tasks``           ``SUPERVISOR_COMMS``,                  a step triggers a run under an id    ``..triggers..``,
                    ``TriggerDagRun``, ``get_dr_count``,   of its own; the operator of the      ``..dag_run..``
                    ``get_dag``                            standard provider has no deadline
``tasks``           ``GetPreviousTI``                      what an earlier try of a task wrote  ``..newest_try..``
                                                           is known from Airflow's own record
``tasks``           what ``ti.get_dagrun_state`` raises    only a definite "no such run" lets   ``..no_such_run..``
                    for a run that is not there            the clean-up remove a drill
``tasks``           ``GetVariable`` and its errors         only a definite "no such Variable"   ``..no_such_variable..``
                                                           lets a task make an Airflow's id
``tasks``           the XCom backend,                      a trigger and a deadline's callback  ``..xcom..``,
                    ``get_task_states``                    have no task instance of their own   ``..states..``
``dag_parts``       ``ParamsDict``, ``AsyncCallback``,      ``airflow.sdk`` promises them, its   ``..stub..``
                    ``DeadlineAlert``                      type stub lacks them
``deadlines``       ``BaseDeadlineReference``,             a cleared run with Airflow's own     ``..deadline..``
                    ``Deadline``, the alerts of a          reference is answered with 500, and
                    serialized DAG                         Airflow ends deadlines of green runs
                                                           only
``xcom_values``     the configured XCom backend            the table holds where a value is     ``..xcom_values..``
``dag_files``       ``DagContext``, the importer of        a broken plan is an import error of  ``..import_error..``
                    ``.py`` files, ``DagImportError``      its own file
``task_groups``     ``TaskGroup.upstream_group_ids``       the grid lists waves in the order    ``..order..``
                                                           of their dependencies
``plugins``         ``airflow.sdk.plugins_manager``        ``airflow.plugins_manager`` imports  ``..plugin..``
                                                           the whole core in every task
``metadata``        ``DagRun``, ``TaskInstance``,          pages, answers and notes read runs   ``..models..``
                    ``XComModel``, ``HITLDetail``,         with the request's own session
                    ``Log`` and others of
                    ``airflow.models``
``api_server``      auth manager, ``requires_access_dag``  pages show what a user may read;     ``..access..``,
                    and its like, ``update_hitl_detail``   an answer is given by the code that  ``..answers..``,
                                                           Airflow's own API answers with       ``..user..``
``api_server``      ``get_user``, ``create_session``;      what Airflow's audit log has no      ``..audit_log..``
                    which routes write no line into the    line of gets one (``ui/audit``)
                    audit log
``auth_managers``   the configured auth manager,           who has a role of recovery managers;  ``..holders..``,
                    ``SimpleAuthManager.get_users``,       ``drs roles sync`` makes roles       ``..fab_roles..``
                    FAB's ``User``, ``Role`` and builder
``task_runner``     ``run``, ``finalize``, ``comms``,      a rehearsal runs tasks without       ``..task_runner..``
                    ``TIRunContext`` and others of         Airflow's services
                    ``airflow.sdk.execution_time``
==================  =====================================  ===================================  =====================
"""

from drs_provider.airflow_internals.tasks import NEVER_EXPIRE, TaskStore

__all__ = ["NEVER_EXPIRE", "TaskStore"]

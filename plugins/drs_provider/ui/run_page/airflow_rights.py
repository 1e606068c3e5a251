"""Who may do what with a run, by the auth manager of the Airflow that serves its page."""

from drs_provider.airflow_internals.api_server import DagAccessEntity, DagDetails, GetUserDep, get_auth_manager
from drs_provider.ui.run_page.rights import RunRightsView


def airflow_rights(dag_id: str, user: GetUserDep) -> RunRightsView:
    """Ask for the rights that the routes of the verbs ask for."""
    manager, details = get_auth_manager(), DagDetails(id=dag_id)

    def may_change(entity: DagAccessEntity | None) -> bool:
        return bool(manager.is_authorized_dag(method="PUT", access_entity=entity, details=details, user=user))

    return RunRightsView(
        pause=may_change(None), order=may_change(DagAccessEntity.RUN), answer=may_change(DagAccessEntity.HITL_DETAIL)
    )

"""The console's pages beside the REST API that they use."""

from fastapi import FastAPI

from drs_provider.api.app import PREFIX, create_api
from drs_provider.api.sources import ApiSources


def add_console(app: FastAPI, sources: ApiSources) -> None:
    """Add the API."""
    app.mount(PREFIX, create_api(sources))

"""Where a request says which app the whole API server is: a module that costs the plugin nothing to import."""

from typing import Final

SERVER: Final = "drs.server"
"""Key of a request's scope: the app that mounts the provider's, through which its own requests go."""

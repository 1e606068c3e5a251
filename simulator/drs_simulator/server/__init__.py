"""The simulator over HTTP: the server, the way of a call, the control plane, the state on disk."""

"""Tasks that tell people how a run goes, and the deadline of its RTO."""

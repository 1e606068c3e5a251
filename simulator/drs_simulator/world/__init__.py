"""The simulated DRS: what exists, and how it goes on in simulated time."""

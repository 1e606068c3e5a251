"""The fleet file: which accounts, Regions, networks and source servers the simulated world has."""

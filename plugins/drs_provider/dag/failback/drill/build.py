"""What a failback drill adds to the DAG of a way back: the tasks of a drill, with the origin as their place."""

from drs_provider.dag.failback.drill.launch import StartDrillBack, WatchDrillBack
from drs_provider.dag.finish.group import clean_up_tasks
from drs_provider.dag.waves.group import (
    LaunchKinds,
    LaunchTasks,
    aside_tasks,
    has_settings,
    launch_tasks,
    settings_tasks,
)
from drs_provider.dag.waves.network import network_tasks
from drs_provider.rules.failback.drill_shape import FailbackDrillShape

_KINDS = LaunchKinds(StartDrillBack, "Start failback drill", WatchDrillBack, "Drill job")


class DrillTasks:
    """Builds the tasks of a failback drill in the current DAG, group by group; nothing is wired here."""

    def __init__(self, shape: FailbackDrillShape) -> None:
        self.shape = shape
        self._launches: list[LaunchTasks] = []

    def in_preflight(self) -> None:
        """Build what prepares its networks, in the current group."""
        network_tasks(self.shape)

    @property
    def prepares(self) -> bool:
        """Whether something is done ahead of its waves."""
        return has_settings(self.shape)

    def before_the_waves(self) -> None:
        """Build what prepares its waves, in the current group."""
        settings_tasks(self.shape)

    def in_wave(self, name: str) -> None:
        """Build what launches and watches a wave, in the current group."""
        launch = launch_tasks(self.shape, self.shape.wave_of[name], _KINDS)
        for place, start in zip(launch.wave.targets, launch.starts, strict=True):
            if isinstance(start, StartDrillBack):
                start.ways = self.shape.ways_to(name, place.target)
        if isinstance(launch.watch, WatchDrillBack):
            launch.watch.ways = tuple(self.shape.ways[name])
        self._launches.append(launch)

    def beside_the_waves(self) -> None:
        """Build what marks and shows what was launched, in the current group."""
        aside_tasks(self.shape, self._launches, squares="drill servers")

    def in_finish(self) -> None:
        """Build what keeps the drill, removes it and looks whether anything is left, in the current group."""
        clean_up_tasks(self.shape)

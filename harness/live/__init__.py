"""What runs beside the load: the recorder of samples and the watch that stops a run."""

from harness.live.recorder import Load, Recorder
from harness.live.watch import Watch

__all__ = ["Load", "Recorder", "Watch"]

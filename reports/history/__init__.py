"""Sets earlier runs side by side, and keeps named baselines."""

from reports.history.baselines import load_baseline

__all__ = ["load_baseline"]

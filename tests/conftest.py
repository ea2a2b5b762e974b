"""What holds for every test: the signals that children find are the default ones, however pytest was started."""

from harness.signals import handle_inherited

handle_inherited()

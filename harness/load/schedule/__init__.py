"""When what is asked: pure functions of rates, mixes and a seed."""

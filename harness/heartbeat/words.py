"""What a canary observed after a fault's heal, as an event of the journal, and read from one.

The run's part that wrote it may have been killed, so an event is written when
the canary begins to probe, too: where the second one never came, nothing was
observed to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.heartbeat.looks import Returned
from harness.records import Event, FaultWindow
from harness.stats.recovery import Recovery

KIND = "canary"
LOOKING, SEEN, FAILED = "looking", "seen", "failed"
_UNSEEN = Recovery(0.0, None, 0.0)


@dataclass(frozen=True, slots=True)
class Word:
    """What was observed after one fault's heal; `amid` are the faults that were still active then.

    `left_out` probes were not sent, or say nothing, for the harness itself was late.
    """

    returned: Returned
    amid: tuple[str, ...] = ()
    left_out: int = 0


def write_word(word: Word) -> dict[str, object]:
    """Return an event's detail, in which a part that was not observed is null."""
    seen = word.returned
    return {
        "first_success_s": seen.first_success.recovery_s,
        "first_success_bad_s": seen.first_success.last_bad_s,
        "lasting_s": seen.lasting.recovery_s,
        "lasting_bad_s": seen.lasting.last_bad_s,
        "observed_s": seen.lasting.observed_s,
        "looks": seen.looks,
        "failed": seen.failed,
        "left_out": word.left_out,
        "interrupted": seen.interrupted,
        "gap_s": seen.gap_s,
        "unseen_s": seen.unseen_s,
        "amid": list(word.amid),
    }


def read_words(events: Iterable[Event], faults: Iterable[FaultWindow]) -> dict[FaultWindow, Word]:
    """Return what was recorded of each healed fault, none for one that was not probed.

    An event belongs to the fault of its name that was healed last before the canary began to probe.
    """
    recorded = [event for event in events if event.kind == KIND and event.detail.get("step") in {LOOKING, SEEN}]
    words: dict[FaultWindow, Word] = {}
    healed = sorted((f for f in faults if f.healed_s is not None), key=lambda f: f.healed_s or 0.0)
    for event in recorded:
        healed_s, name = _number(event.detail, "healed_s"), f"{event.detail.get('fault')} {event.detail.get('target')}"
        same = [f for f in healed if f.name == name and (f.healed_s or 0.0) <= healed_s]
        if same:
            words[same[-1]] = _word(event.detail)
    return words


def _word(detail: Mapping[str, object]) -> Word:
    amid = detail.get("amid")
    names = tuple(str(name) for name in amid) if isinstance(amid, list) else ()
    if detail.get("step") == LOOKING:
        return Word(Returned(_UNSEEN, _UNSEEN, 0, 0, interrupted=True, gap_s=0.0, unseen_s=0.0), names)
    returned = Returned(
        first_success=_part(detail, "first_success"),
        lasting=_part(detail, "lasting"),
        looks=int(_number(detail, "looks")),
        failed=int(_number(detail, "failed")),
        interrupted=bool(detail.get("interrupted", True)),
        gap_s=_number(detail, "gap_s"),
        unseen_s=_number(detail, "unseen_s"),
    )
    return Word(returned, names, int(_number(detail, "left_out")))


def _part(detail: Mapping[str, object], name: str) -> Recovery:
    took_s = detail.get(f"{name}_s")
    return Recovery(
        last_bad_s=_number(detail, f"{name}_bad_s"),
        recovery_s=float(took_s) if isinstance(took_s, int | float) else None,
        observed_s=_number(detail, "observed_s"),
    )


def _number(detail: Mapping[str, object], name: str) -> float:
    value = detail.get(name)
    return float(value) if isinstance(value, int | float) else 0.0

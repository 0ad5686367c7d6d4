"""Signs of life of the workers, and what their processes hold.

Each worker writes its figures to the broker every few seconds, from the very loop that takes messages and answers pings
(itembank/worker_signals.py): a worker whose tasks are long still beats, one that hangs or was killed does not. They are
not rows because they are worth nothing once they are old, and a worker without the broker is of no use either.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from itembank.broker import broker

BEAT_SECONDS = 4.0
ALIVE_SECONDS = 30  # without a beat; loading a model holds a process up for some
REMEMBERED_SECONDS = 24 * 3600  # how long a worker that vanished is missed
KNOWN_KEY, BEAT_KEY = "itembank:workers", "itembank:worker:"

Figures = Callable[[], Mapping[str, Any]]
_figures: list[Figures] = []


class WorkerState(StrEnum):
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"  # it finishes what it has and takes nothing more
    DEAD = "dead"  # it vanished without saying so
    ABSENT = "absent"  # of a role: none was seen for a day


@dataclass(frozen=True, slots=True)
class Worker:
    """What is known of a worker; `figures` is empty where it is dead. `seen` is in seconds since the epoch."""

    name: str
    state: WorkerState
    seen: float
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def role(self) -> str:
        return self.name.partition("@")[0]


def add_figures(figures: Figures) -> None:
    """Have each worker tell these too: what of them concerns its process."""
    _figures.append(figures)


def beat(name: str, figures: Mapping[str, Any], *, alive_seconds: float = ALIVE_SECONDS) -> None:
    """Tell that the worker lives. Raises one of BrokerError."""
    told = dict(figures)
    for more in _figures:
        told |= more()
    pipe = broker().pipeline()
    pipe.set(BEAT_KEY + name, json.dumps(told), px=int(alive_seconds * 1000))
    pipe.hset(KNOWN_KEY, name, str(time.time()))
    pipe.execute()


def forget(name: str) -> None:
    """The worker ends as it should. Raises one of BrokerError."""
    pipe = broker().pipeline()
    pipe.delete(BEAT_KEY + name)
    pipe.hdel(KNOWN_KEY, name)
    pipe.execute()


def workers() -> list[Worker]:
    """Those that live, and those that vanished within a day; by name. Raises one of BrokerError."""
    known: dict[str, str] = broker().hgetall(KNOWN_KEY)  # type: ignore[assignment]
    names = sorted(known)
    if not names:
        return []
    beats: list[str | None] = broker().mget([BEAT_KEY + name for name in names])  # type: ignore[assignment]
    found = [_worker(name, float(known[name]), told) for name, told in zip(names, beats, strict=True)]
    if gone := [each.name for each in found if time.time() - each.seen > REMEMBERED_SECONDS]:
        broker().hdel(KNOWN_KEY, *gone)
    return [each for each in found if each.name not in gone]


def _worker(name: str, seen: float, told: str | None) -> Worker:
    if told is None:
        return Worker(name, WorkerState.DEAD, seen)
    figures = json.loads(told)
    if figures.get("stopping"):
        return Worker(name, WorkerState.STOPPING, seen, figures)
    return Worker(name, WorkerState.BUSY if figures.get("tasks") else WorkerState.IDLE, seen, figures)


def role_state(role: str, found: list[Worker]) -> WorkerState:
    """The best that a worker of the role is in."""
    states = {each.state for each in found if each.role == role}
    return next((state for state in WorkerState if state in states), WorkerState.ABSENT)

"""What work costs in processor time, which a loaded machine does not stretch, and how that grows with its size."""

from __future__ import annotations

import gc
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["TooSlowError", "assert_linear", "processor_time"]

TIMES = 4
"""How much larger the large input is."""

MOST = 8
"""How much longer it may take: linear work takes `TIMES` as long, quadratic work the square of that."""

ATTEMPTS = 5

SHORTEST = 0.01
"""Seconds; what takes less is too little to tell how it grows, and counts as so much."""


class TooSlowError(BaseException):
    """Work has taken more processor time than it may. No `Exception`: the program must not take it for a mistake."""


@contextmanager
def processor_time(*, at_most: float) -> Iterator[None]:
    """Stop what takes longer, however long a loaded machine makes it wait. Raises TooSlowError.

    It is stopped between two steps of Python: a regular expression that goes on for minutes is told when it has ended.
    """

    def stop(*_: object) -> None:
        raise TooSlowError(f"more than {at_most:.2f} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, at_most)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """Assert that work of four times the size takes about four times as long, not sixteen times.

    The fastest of several attempts counts, small and large in turn, since neighbours on the processor slow down some.
    """
    work(size)  # which loads what is loaded once
    small = large = float("inf")
    for _ in range(ATTEMPTS):
        small = min(small, _seconds(work, size))
        large = min(large, _seconds(work, size * TIMES, at_most=10 * MOST * max(small, SHORTEST)))
        if large <= MOST * max(small, SHORTEST):
            return
    raise AssertionError(f"{small:.3f} s for {size}, but {large:.3f} s for {size * TIMES}")


def _seconds(work: Callable[[int], object], size: int, at_most: float = 60) -> float:
    """Return the processor time of one run."""
    gc.collect()
    gc.disable()  # a collection goes through all that the tests before have left
    started = time.process_time()
    try:
        with processor_time(at_most=at_most):
            work(size)
        return time.process_time() - started
    finally:
        gc.enable()

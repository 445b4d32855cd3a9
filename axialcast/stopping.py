"""Asked to stop from outside: by a scheduler, a terminal, a machine that shuts down.

SIGTERM and SIGUSR1 become an exception, as Ctrl-C is one, so that what is open is closed and what
is half written is removed. Whoever can save first waits for a good moment and asks `noted` whether
to stop. A launcher passes on the Ctrl-C that a terminal has sent to all: one that comes again
within moments is the same. Outside the main thread, which alone may listen to signals, nothing
changes.
"""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

__all__ = ["Noted", "Stopped", "noted", "raised"]

NAMES = ("SIGTERM", "SIGUSR1")
AGAIN_SECONDS = 0.05
"""After which a signal comes again that nobody could be told of."""
ECHO_SECONDS = 0.5
"""Within which a Ctrl-C is the one before it, sent once more."""
_AGAIN = b"\naxialcast: stops at the next good moment; Ctrl-C again to stop at once\n"

Handler = Callable[[int, FrameType | None], Any]

_interrupted = -math.inf
"""When the last Ctrl-C came that was one of its own, by the monotonic clock."""


class Stopped(BaseException):
    """A signal asked to stop.

    Args:
        number: of the signal.
        message: what was done about it; None: nothing.
    """

    def __init__(self, number: int, message: str | None = None) -> None:
        self.signal = signal.Signals(number)
        super().__init__(message or f"stopped by {self.signal.name}; run again to go on")

    @property
    def status(self) -> int:
        """The exit status that shells give such a process: 143 for SIGTERM, 138 for SIGUSR1."""
        return 128 + self.signal


class Noted:
    """A signal that came, or None so far."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None


@contextmanager
def raised() -> Iterator[None]:
    """Within the context, SIGTERM and SIGUSR1 raise Stopped in the main thread, once.

    What unwinds after the first is not disturbed by another; SIGKILL still ends the process. Nor is
    it by a Ctrl-C that is sent once more.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for name in NAMES:
            with suppress(AttributeError):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        raise Stopped(number)

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not _is_echo():
            raise KeyboardInterrupt

    handlers: dict[str, Handler] = dict.fromkeys(NAMES, stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        handlers["SIGINT"] = interrupt

    def listen(number: int) -> None:
        global _interrupted
        if number == signal.SIGINT:
            _interrupted = -math.inf
            return
        for name in NAMES:
            with suppress(AttributeError):
                signal.signal(getattr(signal, name), stop)

    with _handling(handlers), _repeated(listen):
        yield


@contextmanager
def noted() -> Iterator[Noted]:
    """Within the context, SIGTERM, SIGUSR1 and the first Ctrl-C are only noted.

    A second Ctrl-C interrupts at once. A signal that came when nobody looked any more is raised on
    leaving.
    """
    found = Noted()

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if _is_echo():
                return
            if found.signal == signal.SIGINT:
                raise KeyboardInterrupt
            # Not print: the signal may have come in the middle of one.
            with suppress(OSError):
                os.write(2, _AGAIN)
        if found.signal is None or number == signal.SIGINT:
            found.signal = signal.Signals(number)

    with _handling(dict.fromkeys((*NAMES, "SIGINT"), note)):
        yield found
    if found.signal is not None:
        raise Stopped(found.signal)


@contextmanager
def _repeated(listen: Callable[[int], None]) -> Iterator[None]:
    """Within the context, what a signal raised while an object was destroyed is raised once more.

    Python prints such an exception, and goes on as if there had been none.

    Args:
        listen: called with the signal's number before it comes again.
    """
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        error = unraisable.exc_value
        if isinstance(error, Stopped | KeyboardInterrupt):
            number = error.signal if isinstance(error, Stopped) else signal.SIGINT
            listen(number)
            again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
        else:
            before(unraisable)

    if threading.current_thread() is threading.main_thread():
        sys.unraisablehook = hook
    try:
        yield
    finally:
        if sys.unraisablehook is hook:
            sys.unraisablehook = before


def _is_echo() -> bool:
    """Whether a Ctrl-C that comes now is the one before it."""
    global _interrupted
    now = time.monotonic()
    if now - _interrupted < ECHO_SECONDS:
        return True
    _interrupted = now
    return False


@contextmanager
def _handling(handlers: dict[str, Handler]) -> Iterator[None]:
    """Within the context, signals of these names are handled so, where that is possible."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name, handler in handlers.items():
            number = getattr(signal, name, None)
            if number is not None:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: it was not Python that handled it before.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

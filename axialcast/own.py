"""What a user's Python file defines: run only when it is asked for, known by its contents."""

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

__all__ = ["OwnFile"]

_RUNNING = RLock()
"""Held while a file runs: another thread is to find all that it defines."""


@dataclass(frozen=True)
class OwnFile:
    """A Python file as it was when it was read, which is what runs.

    Args:
        path: of it, as it was named.
        source: its bytes.
    """

    path: Path
    source: bytes = field(repr=False)

    @classmethod
    def read(cls, path: str | Path) -> "OwnFile":
        """The file; nothing of it is run.

        Raises:
            FileNotFoundError: there is none.
        ValueError: it is no text in UTF-8.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected a Python program")
        source = path.read_bytes()
        try:
            source.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{path}: not a Python program in UTF-8") from None
        return cls(path, source)

    @cached_property
    def sha256(self) -> str:
        """Checksum of the contents, by which it is known wherever it lies."""
        return hashlib.sha256(self.source).hexdigest()

    def call(self, name: str, *args: Any, **options: Any) -> Any:
        """What its function returns; the file is run if it was not yet.

        Args:
            name: of the function.
            args: what it must take.
            options: what the user asks it to take besides, or must, too.

        Raises:
            ValueError: it is no Python, has no such function, which takes other arguments, or
                whatever it raises: with the line in the file.
        """
        function = self.function(name)
        signature = inspect.signature(function).replace(return_annotation=inspect.Signature.empty)
        try:
            signature.bind(*args, **options)
        except TypeError as error:
            given = ", ".join([f"{len(args)} arguments", *(f"{key}=" for key in options)])
            raise ValueError(f"{self.path}: {name}{signature}, given {given}: {error}") from None
        with self.naming_lines():
            return function(*args, **options)

    def function(self, name: str) -> Callable[..., Any]:
        """One of its functions.

        Raises:
            ValueError: as `call`.
        """
        function = getattr(self._module(), name, None)
        if not callable(function):
            raise ValueError(f"{self.path}: defines no {name}(…); add `def {name}(…): …`")
        found: Callable[..., Any] = function
        return found

    def constant(self, name: str, default: Any) -> Any:
        """What it assigns to a name, or else the default.

        Raises:
            ValueError: as `call`, of a file that does not run.
        """
        return getattr(self._module(), name, default)

    @contextmanager
    def naming_lines(self) -> Iterator[None]:
        """Errors of the file within are said with its line.

        Raises:
            ValueError: for any error that passed through the file.
        """
        try:
            yield
        except Exception as error:
            passed = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in passed if frame.filename == str(self.path)]
            if not lines:
                raise
            reason = " ".join(str(error).split())
            kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
            raise ValueError(f"{self.path}:{lines[-1]}: {kind}{reason}") from error

    def _module(self) -> ModuleType:
        """The file, run once in a process; a copy elsewhere is another."""
        place = hashlib.sha256(str(self.path).encode()).hexdigest()
        name = f"axialcast_own_{self.path.stem}_{place[:8]}_{self.sha256[:16]}"
        with _RUNNING:
            return sys.modules.get(name) or self._run(name)

    def _run(self, name: str) -> ModuleType:
        """The file as a module of a name, which other parts of it may look for."""
        try:
            program = compile(self.source, str(self.path), "exec")
        except SyntaxError as error:
            line = f":{error.lineno}" if error.lineno else ""
            raise ValueError(f"{self.path}{line}: not valid Python: {error.msg}") from None
        except (ValueError, RecursionError, MemoryError):
            raise ValueError(f"{self.path}: not a Python program in UTF-8") from None
        module = ModuleType(name)
        module.__file__ = str(self.path)
        sys.modules[name] = module  # dataclasses look there for the module they are in
        try:
            with self.naming_lines():
                exec(program, vars(module))
        except BaseException:
            del sys.modules[name]
            raise
        return module

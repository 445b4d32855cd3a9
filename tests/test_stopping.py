"""Signals: raised for who holds nothing, noted for who can save first."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from axialcast import stopping
from axialcast.stopping import Stopped, noted, raised

SIGNALS = [signal.SIGTERM, signal.SIGUSR1]


@pytest.fixture(autouse=True)
def nothing_is_an_echo(monkeypatch):
    monkeypatch.setattr(stopping, "ECHO_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def handlers_are_put_back():
    numbers = [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT]
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize(("number", "status"), [*zip(SIGNALS, (143, 138), strict=True)])
def test_raised(number, status):
    with pytest.raises(Stopped) as stopped, raised():
        signal.raise_signal(number)
    assert stopped.value.status == status
    assert str(stopped.value) == f"stopped by {number.name}; run again to go on"


def test_only_the_first_is_raised():
    """What unwinds is not disturbed."""
    cleaned = []

    def work():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGUSR1)
            cleaned.append(True)

    with pytest.raises(Stopped, match="SIGTERM"), raised():
        work()
    assert cleaned


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGINT])
def test_one_that_comes_while_an_object_is_destroyed_is_not_lost(number, monkeypatch, capfd):
    """What is raised there Python prints and forgets."""

    class Dying:
        def __del__(self):
            os.kill(os.getpid(), number)
            time.sleep(0.01)

    def work():
        with raised():
            Dying()
            time.sleep(60)

    monkeypatch.setattr(stopping, "ECHO_SECONDS", 60.0)
    monkeypatch.setattr(stopping, "_interrupted", -100.0)
    hook = sys.unraisablehook
    with pytest.raises((Stopped, KeyboardInterrupt)):
        work()
    assert sys.unraisablehook is hook
    assert capfd.readouterr().err == ""


def test_an_interrupt_stays_one():
    with pytest.raises(KeyboardInterrupt), raised():
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("number", [*SIGNALS, signal.SIGINT])
def test_noted(number):
    with raised(), noted() as found:
        assert found.signal is None
        signal.raise_signal(number)
        assert found.signal == number
        found.signal = None  # somebody looked


def test_a_second_interrupt_is_one_at_once(capfd):
    def work():
        with noted():
            signal.raise_signal(signal.SIGINT)
            assert "Ctrl-C again to stop at once" in capfd.readouterr().err
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()


@pytest.mark.parametrize("listening", [raised, noted])
def test_an_interrupt_that_the_launcher_passes_on_is_the_same(listening, monkeypatch):
    """The terminal sends one to every process, torchrun another: what is saved goes on."""
    saved = []

    def work():
        with listening():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
            finally:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
                saved.append(True)

    monkeypatch.setattr(stopping, "ECHO_SECONDS", 60.0)
    monkeypatch.setattr(stopping, "_interrupted", -100.0)
    with pytest.raises(KeyboardInterrupt if listening is raised else Stopped):
        work()
    assert saved


def test_one_sent_on_after_what_noted_it_is_the_same(monkeypatch):
    monkeypatch.setattr(stopping, "ECHO_SECONDS", 60.0)
    monkeypatch.setattr(stopping, "_interrupted", -100.0)
    with raised():
        with noted() as found:
            signal.raise_signal(signal.SIGINT)
            found.signal = None  # somebody looked, and saved
        signal.raise_signal(signal.SIGINT)


def test_terms_may_come_often_and_an_interrupt_after_them():
    def work():
        with noted() as found:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            assert found.signal == signal.SIGINT
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()


def test_one_that_nobody_looked_at_is_raised_on_leaving():
    with pytest.raises(Stopped, match="stopped by SIGUSR1; run again"), noted():
        signal.raise_signal(signal.SIGUSR1)


def test_an_error_is_not_hidden():
    def work():
        with noted():
            signal.raise_signal(signal.SIGTERM)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_another_thread_changes_nothing():
    found = []

    def listen():
        with raised(), noted() as noticed:
            found.append((signal.getsignal(signal.SIGTERM), noticed.signal))

    thread = threading.Thread(target=listen)
    before = signal.getsignal(signal.SIGTERM)
    thread.start()
    thread.join()
    assert found == [(before, None)]


def test_a_system_that_lacks_a_signal(monkeypatch):
    monkeypatch.setattr(stopping, "NAMES", ("SIGTERM", "SIGNOWHERE"))
    with raised(), noted() as found:
        signal.raise_signal(signal.SIGTERM)
        assert found.signal == signal.SIGTERM
        found.signal = None


@pytest.mark.parametrize(("number", "status"), [*zip(SIGNALS, (143, 138), strict=True)])
def test_the_command_says_one_line_and_exits_with_the_status(
    tmp_path, make_analysis, number, status
):
    """A stage that does not listen itself."""
    make_analysis().to_netcdf(tmp_path / "x.nc")
    (tmp_path / "wait.py").write_text(
        "import os, time\n"
        "def run(config):\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        (config.output / 'cleaned').touch()\n"
    )
    (tmp_path / "c.yaml").write_text(
        "pipeline: [./wait.py]\noutput: out\n"
        "data: {variables: [geopotential], train: [2001-01-01, 2001-01-20], store: x.nc,"
        " validate: [2001-01-21, 2001-01-30], test: [2001-01-31, 2001-02-09]}\n"
    )
    command = [sys.executable, "-m", "axialcast", "run", "c.yaml"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == status
    assert result.stderr == f"stopped by {number.name}; run again to go on\n"
    assert (tmp_path / "out" / "cleaned").exists()

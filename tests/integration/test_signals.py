"""Signals to a real process: the first asks, the second ends it."""

import os
import signal
import subprocess
import sys

import pytest

from etl.entrypoints.signals import Signals

POLITE = """
import asyncio, os
from etl.entrypoints.signals import Signals

async def main():
    async with Signals(lambda number: print("asked", number, flush=True)) as stop:
        print("ready", flush=True)
        await stop.wait()
        print("saved", stop.requested, stop.signal, flush=True)

asyncio.run(main())
"""

BUSY = """
import asyncio
from etl.entrypoints.signals import Signals

async def main():
    async with Signals() as stop:
        print("ready", flush=True)
        while not stop.requested:
            pass
        print("seen", flush=True)
        while True:
            pass

asyncio.run(main())
"""


@pytest.fixture
def start():
    started = []

    def launch(program):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield launch
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_the_first_signal_asks_and_the_process_ends_itself(start, number):
    """The event loop wakes, even when it had nothing to do."""
    process = start(POLITE)

    process.send_signal(number)

    assert process.stdout.read() == f"asked {number}\nsaved True {number}\n"
    assert process.wait(10) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"])
def test_the_second_signal_ends_a_process_whose_loop_is_stuck(start, number, code):
    """The wish is visible without the loop, and so is the end."""
    process = start(BUSY)

    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "seen\n"
    process.send_signal(number)

    assert process.wait(10) == code


async def test_leaving_gives_the_signals_back():
    """The handlers of before stand again, and the wish stays readable."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    async with Signals() as stop:
        assert stop.requested is False
        assert stop.signal is None
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert stop.requested is True
    assert stop.signal == 15

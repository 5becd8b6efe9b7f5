"""A process is dead only when that is certain."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from etl.errors import UsageError
from etl.runs.lease import ttl_from
from etl.runs.process import is_dead, this_process


def test_this_process_lives():
    assert not is_dead(this_process())


def test_a_pid_of_another_start_time_is_dead():
    """The pid was used again."""
    boot, namespace, _ = this_process().started.split("/")
    assert is_dead(replace(this_process(), started=f"{boot}/{namespace}/1"))


def test_a_process_of_an_earlier_boot_is_dead():
    _, namespace, started = this_process().started.split("/")
    assert is_dead(replace(this_process(), started=f"another-boot/{namespace}/{started}"))


def test_a_process_of_another_host_may_live():
    assert not is_dead(replace(this_process(), host="elsewhere", pid=1, started="x/y/z"))


def test_a_process_of_another_container_of_this_machine_may_live():
    """Its pid means nothing here."""
    boot, _, started = this_process().started.split("/")
    assert not is_dead(replace(this_process(), pid=2**22 + 1, started=f"{boot}/pid:[1]/{started}"))


def test_a_process_that_ended_is_dead():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert is_dead(replace(this_process(), pid=child.pid))


def test_the_ttl_comes_from_the_environment():
    assert ttl_from({}) == 60.0
    assert ttl_from({"ETL_LEASE_TTL": "2.5"}) == 2.5


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_ttl_that_is_no_number_above_zero_is_refused(text):
    with pytest.raises(UsageError, match="ETL_LEASE_TTL"):
        ttl_from({"ETL_LEASE_TTL": text})


def test_the_pid_is_that_of_the_process():
    assert this_process().pid == os.getpid()

"""Memory that was freed is used again, unless the user has told the C library otherwise."""

import platform
import subprocess
import sys

import pytest

ALLOCATE = """
import os
import resource
import numpy as np
from scripts.cli.allocator import keep_freed_memory

keep_freed_memory()
faults = []
for _ in range(3):
    np.ones(20_000_000)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[2] - faults[1])
"""


def faults(**environment: str) -> int:
    """Return how many pages the system had to give for 160 MB that were freed just before."""
    done = subprocess.run([sys.executable, "-c", ALLOCATE], capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_large_arrays_are_served_from_what_was_freed() -> None:
    assert faults() < 50
    assert faults(MALLOC_TRIM_THRESHOLD_="1000") > 50, "what the user chose stays"

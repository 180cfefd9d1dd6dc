# SPDX-License-Identifier: MIT
"""With what the programs of a folder are built: gcc and clang where installed, at -O0 and -O2.

Each program by one pair of them in turn, so that every pair builds its share; with PAWL_TEST_LONG=1, or when
PAWL_CHECK_COMPILERS or PAWL_CHECK_LEVELS names others, by all pairs.
"""
import os
import shutil

COMPILERS = [c for c in os.environ.get("PAWL_CHECK_COMPILERS", "gcc clang").split() if shutil.which(c)]
LEVELS = os.environ.get("PAWL_CHECK_LEVELS", "-O0 -O2").split()
ALL = os.environ.get("PAWL_TEST_LONG") == "1" or "PAWL_CHECK_COMPILERS" in os.environ or "PAWL_CHECK_LEVELS" in os.environ


def of(number):
    """Pairs of compiler and level for the program of that number."""
    pairs = [(compiler, level) for compiler in COMPILERS for level in LEVELS]
    return pairs if ALL else [pairs[number % len(pairs)]]

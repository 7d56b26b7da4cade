"""The suites of `scripts/benchmark.py`: each module has a function `contests` that returns what is measured."""

"""What steps cost: ``python -m benchmarks steps``."""

from benchmarks.steps.bench import main

__all__ = ["main"]

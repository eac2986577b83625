"""What caches of steps make of edits, damage and company: ``python -m benchmarks cache``."""

from benchmarks.cache.matrix import main

__all__ = ["main"]

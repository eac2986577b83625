"""What lineage costs: ``python -m benchmarks lineage``."""

from benchmarks.lineage.bench import main

__all__ = ["main"]

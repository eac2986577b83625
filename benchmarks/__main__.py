"""``python -m benchmarks NAME [OPTIONS]``."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("artifacts", "cache", "growth", "lineage", "s3", "steps")


def main() -> int:
    """Run the benchmark that the command line names."""
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        known = ", ".join(NAMES)
        print(
            f"usage: python -m benchmarks NAME [OPTIONS], where NAME is one of: {known}; NAME --help tells its options",
            file=sys.stderr,
        )
        return 2
    return int(import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())

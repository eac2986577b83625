"""Long, seeded runs against faults: ``make soak``. The quick suite runs seconds of the same."""

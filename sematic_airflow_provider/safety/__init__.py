"""Safety: what a model or data set must pass before it counts. Knows no framework."""

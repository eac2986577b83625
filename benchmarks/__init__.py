"""Figures against peers and limits: ``python -m benchmarks NAME``. Each prints one table and exits with 0 when its goals are met, else 1."""

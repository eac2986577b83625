"""What runs in the API server: the lineage API, its access rules, and the Lineage UI's files."""

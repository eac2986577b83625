"""What runs in task processes, the DAG processor and the triggerer. No database here."""

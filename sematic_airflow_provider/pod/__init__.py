"""Where a step runs without Airflow: in the user's container, or in a process of its own."""

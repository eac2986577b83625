"""The lineage tables in Airflow's metadata database: used by the API server and the CLI, never by tasks."""

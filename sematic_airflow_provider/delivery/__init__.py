"""Delivery: how events that were made reach the API server, and where they wait until they do. Knows no framework, and is quick to load."""

"""Lineage: names, facets, capture, provenance and the graph rebuilt from OpenLineage events. Knows no framework."""

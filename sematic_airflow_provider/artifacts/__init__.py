"""Artifacts: content-addressed values, the codecs that write them and the stores that hold them. Knows no framework."""

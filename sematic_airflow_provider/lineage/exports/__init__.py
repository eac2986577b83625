"""A part of the lineage in the forms that others read: OpenLineage, W3C PROV-JSON, RO-Crate, and a report for people."""

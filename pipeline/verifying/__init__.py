"""Check a dataset folder against its tables, and mend what can be mended."""

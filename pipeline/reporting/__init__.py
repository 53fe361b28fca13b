"""What `clipmill status` reports: coverage, reasons, what came from where, and budgets."""

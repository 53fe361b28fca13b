"""What `clipmill doctor` looks at: this machine, before days are spent on it."""

"""What packing weighs before it begins: which clips, how many bytes, how long."""

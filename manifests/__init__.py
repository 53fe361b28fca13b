"""What exists, what was asked for and what happened: tables, the dataset folder, storage, errors."""

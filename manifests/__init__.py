"""What exists, what was asked for, what happened: tables, dataset folder, storage, errors."""

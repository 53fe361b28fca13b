"""The end of a run: its best epoch by val alone, and the command that comes next."""

from train.ending import best_row, show
from train.options import Options

ROWS = [
    {"epoch": 1, "train_loss": 1.0, "train_top1": 0.5, "val_loss": 1.1, "val_top1": 0.25},
    {"epoch": 2, "train_loss": 0.5, "train_top1": 0.6, "val_loss": 0.9, "val_top1": 0.75},
    {"epoch": 3, "train_loss": 0.4, "train_top1": 0.7, "val_loss": 0.8, "val_top1": 0.75},
]


def told(rows, capsys, **more):
    from manifests.console import Ui

    best = best_row(rows)
    found = {"best": "runs/a/best" if best else None, "last": "runs/a/last", "best_epoch": best}
    last = rows[-1] if rows else {}
    show({**last, "epochs": 3, **found, **more}, Options(), "data", "runs/a", Ui())
    return capsys.readouterr()


def test_the_first_of_the_best_on_val_whatever_test_says():
    rows = [row | {"test_top1": 1 / row["epoch"]} for row in ROWS]
    assert best_row(rows) == rows[1]
    assert best_row([]) is None
    assert best_row([{"epoch": 1, "val_top1": None}]) is None


def test_a_table_and_what_is_next(capsys):
    out, said = told(ROWS, capsys)
    assert "epoch 2 of 3, the best on val" in out
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    assert ["loss", "0.5000", "0.9000"] in lines
    assert ["top-1", "60.00%", "75.00%"] in lines
    assert "clipmill score --root data --checkpoint runs/a/best --split test" in said


def test_test_has_a_column_where_it_was_measured(capsys):
    rows = [row | {"test_loss": 2.0, "test_top1": 0.125} for row in ROWS]
    out, _ = told(rows, capsys)
    assert "12.50%" in out


def test_without_val_it_is_the_last_and_without_an_epoch_nothing(capsys):
    rows = [{key: x for key, x in row.items() if "val" not in key} for row in ROWS]
    out, said = told(rows, capsys)
    assert "epoch 3 of 3, the last: nothing measured on val" in out
    assert "--checkpoint runs/a/last" in said
    assert told([], capsys).out == ""

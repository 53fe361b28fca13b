"""Every setting is an option of the command line, given or not."""

import dataclasses

from train import asked
from train.options import Options


def test_each_setting_is_an_option_and_only_what_was_given_counts():
    group = asked.group()
    names = [field.name for field in dataclasses.fields(group)]
    assert names == [field.name for field in dataclasses.fields(Options)]
    assert asked.given(group()) == {}
    assert asked.given(group(flip=False, lr=0.0)) == {"flip": False, "lr": 0.0}


def test_the_help_shows_range_free_words_with_their_defaults(cli):
    shown = " ".join(cli("train", "--help", COLUMNS="400").stdout.split())
    for words in (
        "The network: r2plus1d, c3d, r2plus1d_18",
        "Learning rate. [env var: CLIPMILL_TRAIN_LR] [default: (0.0001)]",
        "--no-flip",
        "How the rate falls: plateau, cosine, steps, constant. [env var:",
        "[default: (plateau)]",
    ):
        assert words in shown, words

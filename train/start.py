"""How a run starts: its streams, network and optimizer, before anything is read or gone on from."""

from __future__ import annotations

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

import model
from manifests.console import Ui
from manifests.dataset import Dataset
from manifests.seen import Seen, seen_by
from model.metrics import Metrics
from model.preprocess import MEAN, STD, Normalise
from model.world import World
from shards.reading import Reading
from train import augment, average
from train.beginning import begin
from train.options import Options
from train.run import Run
from train.session import Session
from train.speed import precision
from train.speed.build import build
from train.speed.chosen import chosen
from train.streams import Streams, class_weights, open_streams


def start(
    dataset: Dataset,
    options: Options,
    run: Run,
    world: World,
    ui: Ui,
    how: Reading,
    going_on: bool = False,
) -> Session:
    """Build network, optimizer and streams, which read shards as `how` says.

    A run that is going on gets its weights by `restore`, and else those that `options.init` names.

    Raises:
        ClipmillError: data and options that do not fit.
    """
    torch.manual_seed(options.seed)
    window = options.window(dataset.spec)
    streams = open_streams(dataset, options, window, world, how, ui)
    classes = len(dataset.labels)
    mirrored = augment.mirrored(dataset.labels, options.flip_except)
    network = model.build(options.model, classes, **options.model_options)
    beginning = begin(network, options, dataset.labels, run, going_on, ui)
    network.to(world.device)
    ways = chosen(network, options, window, world, run, going_on, ui)
    optimizer = build(network, ways, options, beginning.new_head)
    seen = _seen(dataset, options, streams).after(beginning.seen) if world.first else None
    weights = class_weights(streams.train, classes).to(world.device) if options.balance else None
    return Session(
        dataset=dataset,
        options=options,
        run=run,
        world=world,
        ui=ui,
        network=network,
        normalise=Normalise(MEAN, STD).to(world.device),
        optimizer=optimizer,
        plateau=ReduceLROnPlateau(optimizer, factor=options.factor, patience=options.patience),
        train=streams.train,
        val=streams.val,
        test=streams.test,
        measuring=streams.measuring,
        metrics=Metrics(classes, world.device),
        ways=ways,
        scaler=precision.scaler(ways.precision, world.device),
        mirrored=None if mirrored is None else mirrored.to(world.device),
        class_weights=weights,
        average=average.begun(network) if options.ema else None,
        seen=seen,
        init=beginning.record,
    )


def _seen(dataset: Dataset, options: Options, streams: Streams) -> Seen:
    """Return the fingerprint that every checkpoint of the run carries."""
    name = dataset.split_set(options.split_set)
    val = streams.val.clip_ids if streams.val else ()
    return seen_by(dataset, name, streams.train.clip_ids, val)

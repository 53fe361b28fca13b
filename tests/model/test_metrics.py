"""Metrics against a brute force that looks at one clip at a time."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import ClipmillError
from model.metrics import Metrics


def batch(count, classes, seed=0, unlabelled=0.2):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, classes)).astype(np.float32) * 3
    labels = random.integers(0, classes, count)
    labels[random.random(count) < unlabelled] = -1
    valid = random.random(count) < 0.8
    return torch.from_numpy(logits), torch.from_numpy(labels), torch.from_numpy(valid)


def brute_force(logits, labels, valid, classes):
    losses, top1, top5 = [], [], []
    confusion = np.zeros((classes, classes), np.int64)
    for row, label, counts in zip(logits.double().numpy(), labels.tolist(), valid, strict=True):
        if not counts or label == -1:
            continue
        order = np.argsort(-row)
        losses.append(np.log(np.exp(row).sum()) - row[label])
        top1.append(order[0] == label)
        top5.append(label in order[:5])
        confusion[label, order[0]] += 1
    return np.mean(losses), np.mean(top1), np.mean(top5), confusion


@pytest.mark.parametrize("classes", [1, 2, 4, 5, 6, 51])
def test_equals_brute_force(classes):
    logits, labels, valid = batch(200, classes, seed=classes)
    metrics = Metrics(classes)
    for start in range(0, 200, 48):
        part = slice(start, start + 48)
        metrics.update(logits[part], labels[part], valid[part])
    loss, top1, top5, confusion = brute_force(logits, labels, valid, classes)
    result = metrics.result()
    assert result["loss"] == pytest.approx(loss, rel=1e-9)
    assert result["top1"] == pytest.approx(top1)
    assert result["top5"] == pytest.approx(top5)
    assert classes > 5 or result["top5"] == 1
    assert result["clips"] == int((valid & (labels != -1)).sum())
    assert result["unlabelled"] == int((valid & (labels == -1)).sum())
    assert metrics.state()["confusion"].dtype == torch.int64
    np.testing.assert_array_equal(metrics.state()["confusion"].numpy(), confusion)

    each = metrics.per_class()
    with np.errstate(invalid="ignore"):
        precision = confusion.diagonal() / confusion.sum(0)
        recall = confusion.diagonal() / confusion.sum(1)
    np.testing.assert_allclose(each["precision"].numpy(), precision)
    np.testing.assert_allclose(each["recall"].numpy(), recall)
    assert result["mean_recall"] == pytest.approx(np.nanmean(recall))
    assert all(type(value) in (int, float) for value in result.values())


@settings(deadline=None, database=None)
@given(st.lists(st.integers(0, 60), max_size=4), st.integers(1, 8))
def test_parts_add_up_to_the_whole(cuts, classes):
    logits, labels, valid = batch(60, classes)
    whole, total = Metrics(classes), Metrics(classes)
    whole.update(logits, labels, valid)
    edges = [0, *sorted(cuts), 60]
    for start, end in itertools.pairwise(edges):
        part = Metrics(classes)
        part.update(logits[start:end], labels[start:end], valid[start:end])
        total.merge(part.state())
    for name, tensor in whole.state().items():
        torch.testing.assert_close(total.state()[name], tensor, rtol=1e-12, atol=0)


def test_state_is_live_so_that_it_can_be_reduced_in_place():
    metrics = Metrics(3)
    metrics.update(torch.eye(3), torch.arange(3))
    for tensor in metrics.state().values():
        tensor *= 2  # what all_reduce does with two equal ranks
    assert metrics.result()["clips"] == 6
    assert metrics.result()["top1"] == 1


def test_padding_may_hold_anything():
    metrics = Metrics(3)
    logits = torch.tensor([[9.0, 0, 0], [math.nan] * 3, [math.inf] * 3])
    metrics.update(logits, torch.tensor([0, 77, -1]), torch.tensor([True, False, True]))
    result = metrics.result()
    assert (result["clips"], result["unlabelled"], result["top1"]) == (1, 1, 1)
    assert result["loss"] < 0.01


def test_equal_logits_keep_top1_within_the_confusion_matrix():
    metrics = Metrics(10)
    metrics.update(torch.zeros(10, 10), torch.arange(10))
    assert metrics.result()["top1"] == pytest.approx(0.1)
    assert metrics.result()["top5"] == pytest.approx(0.5)


def test_half_precision_logits_lose_nothing_more():
    logits, labels, valid = batch(50, 6)
    half, double = Metrics(6), Metrics(6)
    half.update(logits.bfloat16(), labels, valid)
    double.update(logits.bfloat16().double(), labels, valid)
    assert half.result() == double.result()


def test_nothing_counted_is_nan_not_zero():
    metrics = Metrics(4)
    metrics.update(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    metrics.update(torch.zeros(2, 4), torch.tensor([-1, -1]))
    result = metrics.result()
    assert result["clips"] == 0 and result["unlabelled"] == 2
    assert all(math.isnan(result[name]) for name in ("loss", "top1", "top5", "mean_recall"))


@pytest.mark.parametrize("label", [3, -2, 10**9])
def test_labels_of_other_classes_are_an_error_at_the_end(label):
    metrics = Metrics(3)
    metrics.update(torch.eye(3), torch.tensor([0, 1, label]))
    with pytest.raises(ClipmillError, match=r"1 labels are outside -1\.\.2"):
        metrics.result()


def test_shapes_that_do_not_fit_are_refused():
    metrics = Metrics(3)
    with pytest.raises(ClipmillError, match="expected logits \\(2, 3\\)"):
        metrics.update(torch.zeros(2, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ClipmillError, match="valid \\(3,\\)"):
        metrics.update(torch.zeros(2, 3), torch.zeros(2), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ClipmillError, match="merge only states of 3 classes"):
        metrics.merge(Metrics(4).state())

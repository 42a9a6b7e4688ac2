"""Losses agree with PyTorch's, with class weights and other numbers in the place of 0."""

from __future__ import annotations

import torch
from torch import nn

from ffebm_dsl.language.registry import LOSSES

WEIGHT = (0.5, 0.0, 3.0)


def test_cross_entropy_weighs_classes_as_pytorch_does() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64)
    weight = torch.tensor(WEIGHT, dtype=torch.float64)
    theirs = nn.CrossEntropyLoss(weight, reduction="none", label_smoothing=0.2)
    soft = torch.randn(5, 3, dtype=torch.float64).softmax(1)
    for target in (torch.tensor([0, 1, 2, 2, 0]), soft):
        found = LOSSES["cross_entropy"].per_sample(logits, target, 0.2, WEIGHT)
        torch.testing.assert_close(found, theirs(logits, target))


def test_binary_cross_entropy_weighs_labels_as_pytorch_does() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64)
    target = torch.randint(2, (5, 3)).double()
    theirs = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(WEIGHT).double(), reduction="none")
    found = LOSSES["binary_cross_entropy"].per_sample(logits, target, pos_weight=WEIGHT)
    torch.testing.assert_close(found, theirs(logits, target).sum(1))
    one = LOSSES["binary_cross_entropy"].per_sample(logits, target, pos_weight=(2.0,))
    theirs = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0).double(), reduction="none")
    torch.testing.assert_close(one, theirs(logits, target).sum(1))


def test_mse_takes_another_number_for_zeros_of_the_target() -> None:
    outputs = torch.randn(5, 3, dtype=torch.float64)
    theirs = nn.MSELoss(reduction="none")
    labels = torch.tensor([0, 1, 2, 2, 0])
    signs = 2 * nn.functional.one_hot(labels, 3).double() - 1
    soft = torch.rand(5, 3, dtype=torch.float64)
    for target, numbers in ((labels, signs), (soft, 2 * soft - 1)):
        found = LOSSES["mse"].per_sample(outputs, target, low=-1.0)
        torch.testing.assert_close(found, theirs(outputs, numbers).sum(1) / 2)

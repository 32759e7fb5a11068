"""Figures of scores, masks and volumes, against values worked out by hand and against other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from training.errors import TrainingError
from training.evaluation import scores


def test_auc_is_the_share_of_pairs_in_the_right_order_with_ties_half() -> None:
    assert scores.auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8]) == pytest.approx(3.5 / 4)
    assert scores.auc([1, 0], [0.2, 0.7]) == 0.0


def test_auc_is_that_of_the_rank_sum_test() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    values = np.round(rng.normal(labels, 1.5), 1)  # rounded: many ties
    found = scipy.stats.mannwhitneyu(values[labels == 1], values[labels == 0])
    expected = found.statistic / ((labels == 1).sum() * (labels == 0).sum())
    assert scores.auc(labels, values) == pytest.approx(expected)


def test_area_under_the_roc_points_is_the_auc() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 200)
    values = np.round(rng.normal(labels, 1), 1)
    wrong, right, thresholds = scores.roc_curve(labels, values)
    assert np.trapezoid(right, wrong) == pytest.approx(scores.auc(labels, values))
    assert (wrong[0], right[0], wrong[-1], right[-1], thresholds[0]) == (0, 0, 1, 1, np.inf)


def test_auc_interval_covers_the_true_value_about_as_often_as_it_says() -> None:
    true = scipy.stats.norm.cdf(1 / np.sqrt(2))  # two normals one SD apart
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 60)
        found = scores.auc_interval(labels, rng.normal(labels, 1), rng, resamples=200)
        covered += found.low <= true <= found.high
    assert covered >= 51  # 95 % of 60 is 57; fewer than 51 happens once in a thousand


def test_interval_by_patient_is_wider_when_nodules_of_a_patient_agree() -> None:
    rng = np.random.default_rng(5)
    patients = np.repeat(np.arange(40), 10)
    labels = np.repeat(rng.integers(0, 2, 40), 10)
    values = labels + np.repeat(rng.normal(0, 1.5, 40), 10)
    alone = scores.auc_interval(labels, values, np.random.default_rng(0), resamples=500)
    grouped = scores.auc_interval(labels, values, np.random.default_rng(0), patients, resamples=500)
    assert alone.value == grouped.value
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_interval_of_a_mean_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    found = scores.interval(lambda drawn: float(values[drawn].mean()), range(400), np.random.default_rng(1))
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.04)
    assert found.high == pytest.approx(values.mean() + half, abs=0.04)


def test_calibration_by_hand() -> None:
    found = scores.calibration([0, 1, 1, 1], [0.12, 0.18, 0.92, 1.0])
    assert found.counts.tolist() == [2, 2]
    assert found.predicted == pytest.approx([0.15, 0.96])
    assert found.observed == pytest.approx([0.5, 1.0])
    assert found.error == pytest.approx((0.35 + 0.04) / 2)


def test_probabilities_that_are_true_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 40_000)
    assert scores.calibration(rng.uniform(0, 1, 40_000) < p, p).error < 0.01


def test_log_loss_by_hand_and_finite_for_a_certain_error() -> None:
    assert scores.log_loss([1, 0], [0.8, 0.4]) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    assert scores.log_loss([1], [0.0]) == pytest.approx(-np.log(1e-4))


def test_brier_by_hand() -> None:
    assert scores.brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)


def test_dice_by_hand() -> None:
    a, b = np.array([1, 1, 1, 0], bool), np.array([0, 1, 1, 1], bool)
    assert scores.dice(a, b) == pytest.approx(4 / 6)
    assert scores.dice(a, ~a) == 0.0
    assert scores.dice(np.zeros(4, bool), np.zeros(4, bool)) == 1.0


def test_confusion_matrix_has_the_truth_in_rows() -> None:
    assert scores.confusion_matrix([0, 0, 1, 2], [0, 2, 1, 2], 3).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_volumetry_by_hand() -> None:
    found = scores.volumetry([100, 200, 400], [110, 200, 360])
    assert found.bias == pytest.approx(0.0)
    assert (found.limit_low, found.limit_high) == pytest.approx((-0.196, 0.196))
    assert found.median_absolute == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("labels", "values", "word"),
    [
        ([1, 1], [0.1, 0.2], "both classes"),
        ([0, 2], [0.1, 0.2], "both classes"),
        ([0, 1], [0.1, float("nan")], "not a number"),
        ([0, 1], [0.1], "shapes"),
        ([], [], "shapes"),
    ],
)
def test_scores_that_cannot_be_measured_are_an_error(labels: list[int], values: list[float], word: str) -> None:
    with pytest.raises(TrainingError, match=word):
        scores.auc(labels, values)


def test_masks_of_other_shapes_are_an_error() -> None:
    with pytest.raises(TrainingError, match="shape"):
        scores.dice(np.zeros(3, bool), np.zeros(4, bool))

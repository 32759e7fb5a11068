"""LightGBM models as text: loaded after their checksum, asked by the names of their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lightgbm
import numpy as np
import numpy.typing as npt

from models.weights import Card, CardPath, WeightsError, verified


def load_booster(card_path: CardPath) -> tuple[Card, lightgbm.Booster]:
    """Load the LightGBM model beside a card.

    Raises
    ------
    WeightsError
        It is missing, damaged, or no LightGBM model.
    """
    card, path = verified(card_path)
    try:
        return card, lightgbm.Booster(model_file=str(path))
    except lightgbm.basic.LightGBMError as error:
        raise WeightsError(f"{path}: not a LightGBM model ({error}); train or import it again") from None


def refuse_other_features(booster: lightgbm.Booster, names: Sequence[str], card: Card) -> None:
    """Refuse a model that was trained on other features than this program computes.

    Raises
    ------
    WeightsError
        With the first feature that differs.
    """
    trained = booster.feature_name()
    if list(trained) == list(names):
        return
    differing = next((n for n in trained if n not in names), f"{len(trained)} features, not {len(names)}")
    raise WeightsError(f"{card.name}: trained on other features ({differing}); train or import it again")


def raw_score(booster: lightgbm.Booster, values: Mapping[str, float]) -> float:
    """Give the model's sum of trees for one row, values by feature name; missing ones raise a KeyError."""
    row = np.array([[values[name] for name in booster.feature_name()]], dtype=np.float64)
    return float(raw_scores(booster, row)[0])


def raw_scores(booster: lightgbm.Booster, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give the sum of trees (N,) for rows (N, F) in the model's own order of features."""
    return np.asarray(booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)

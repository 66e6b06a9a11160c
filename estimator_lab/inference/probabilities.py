"""ROC curves and calibration of predicted probabilities, counted while predictions arrive. No TensorFlow."""

from typing import NamedTuple

import numpy as np

_LOW, _HIGH, _BIN = -104.0, 17.0, 0.02  # of logit(p): float32 has p from 1e-45 to 1 - 6e-8
_BINS = round((_HIGH - _LOW) / _BIN)
_CALIBRATION_BINS = 15  # as in Guo et al. 2017


class RocCurves:
    """ROC curves of each class against the rest.

    Probabilities are counted in bins of their logits, 0.02 wide, in 97 kB for each class, however many
    examples there are. Areas agree with those of the sorted probabilities within 0.001.
    """

    def __init__(self, classes: int) -> None:
        self._counts = np.zeros((2, classes, _BINS), np.int64)  # of other classes, of the class itself

    def add(self, true: np.ndarray, probabilities: np.ndarray) -> None:
        """Counts examples.

        Args:
          true: class ids, int [n]; those below 0 are ignored.
          probabilities: float [n, classes] in [0, 1].
        """
        known = np.asarray(true) >= 0
        values = np.clip(np.asarray(probabilities, np.float64)[known], 0, 1)
        with np.errstate(divide='ignore'):
            logits = np.log(values) - np.log1p(-values)
        places = np.clip((logits - _LOW) / _BIN, 0, _BINS - 1).astype(np.int64)
        is_class = np.asarray(true)[known, np.newaxis] == np.arange(self._counts.shape[1])
        classes = np.broadcast_to(np.arange(self._counts.shape[1]), places.shape)
        np.add.at(self._counts, (is_class.astype(np.int64), classes, places), 1)

    def curve(self, class_id: int | None = None) -> np.ndarray:
        """Returns the curve of a class: (false positive rate, true positive rate), float64 [points, 2].

        It begins at (0, 0) and ends at (1, 1). It is empty if no example, or every example, is of the class.

        Args:
          class_id: None for the pairs of an example and a class of all classes together.
        """
        counts = self._counts.sum(axis=1) if class_id is None else self._counts[:, class_id]
        totals = counts.sum(axis=1)
        if not totals.all():
            return np.empty((0, 2))
        found = counts[:, ::-1][:, counts.any(axis=0)[::-1]].cumsum(axis=1) / totals[:, np.newaxis]
        return np.concatenate([np.zeros((1, 2)), found.T])

    def area(self, class_id: int | None = None) -> float:
        """Returns the area under the curve of a class, in [0, 1]; NaN if the curve is empty."""
        points = self.curve(class_id)
        if not len(points):
            return float('nan')
        across, up = points.T
        return float((np.diff(across) * (up[1:] + up[:-1]) / 2).sum())


class Confidence(NamedTuple):
    """Predictions of similar confidence.

    Attributes:
      mean: mean probability of the predicted class, in [0, 1].
      accuracy: share of the predictions that are right, in [0, 1].
      examples: number of predictions.
    """

    mean: float
    accuracy: float
    examples: int


class Calibration:
    """Compares confidence, the probability of the predicted class, with accuracy, in 15 equal bins."""

    def __init__(self) -> None:
        self._sums = np.zeros((_CALIBRATION_BINS, 3))  # confidences, right predictions, predictions

    def add(self, confidence: np.ndarray, right: np.ndarray) -> None:
        """Counts predictions.

        Args:
          confidence: probabilities of the predicted classes, float [n] in [0, 1].
          right: whether the predictions are right, bool [n].
        """
        places = np.clip(np.ceil(np.asarray(confidence) * _CALIBRATION_BINS) - 1, 0, _CALIBRATION_BINS - 1)
        columns = np.stack([confidence, right, np.ones(len(places))], axis=1)
        np.add.at(self._sums, places.astype(np.int64), columns)

    def bins(self) -> list[Confidence]:
        """Returns the bins with predictions, by confidence."""
        return [
            Confidence(confidence / count, right / count, int(count))
            for confidence, right, count in self._sums.tolist()
            if count
        ]

    def expected_error(self) -> float:
        """Returns the expected calibration error (Guo et al. 2017, eq. 3) in [0, 1]; NaN without examples."""
        total = self._sums[:, 2].sum()
        gaps = np.abs(self._sums[:, 1] - self._sums[:, 0])
        return float(gaps.sum() / total) if total else float('nan')

"""Which features say the same: correlations, variance inflation and clusters."""

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from cpexplore._validation import check_range
from cpexplore.stats._sample import check_features

_SINGULAR = 1e-8
"""Eigenvalue of a correlation matrix below which features are linearly dependent."""


def redundancy(features: pd.DataFrame, *, threshold: float = 0.7) -> pd.DataFrame:
    """Describe how much each feature repeats the others.

    Parameters
    ----------
    features : pandas.DataFrame of shape (walk, feature)
        NaN is left out pair by pair; constant features get no values.
    threshold : float
        Absolute Spearman correlation, 0 to 1, above which features join a cluster
        (average linkage of 1 - |rho|).

    Returns
    -------
    pandas.DataFrame
        One row per feature in the order of the columns: ``feature``, ``vif`` (variance
        inflation, infinite if the others determine it), ``nearest`` (the feature it
        correlates with most) and ``rho`` (Spearman with it), ``cluster`` (number, 0
        without values) and ``order`` (place in the dendrogram).

    Raises
    ------
    TypeError
        If a feature is not numeric.
    ValueError
        If ``threshold`` is outside 0 to 1, a name comes twice or fewer than two
        features vary.

    Examples
    --------
    A speed in m/s and in km/h say the same, the age (years) something else:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from cpexplore.stats.redundancy import redundancy
    >>> speed, age = np.array([1.3, 1.1, 1.2, 0.8, 0.9, 0.5]), [7, 12, 5, 9, 14, 8]
    >>> features = pd.DataFrame({"m_s": speed, "km_h": 3.6 * speed, "age": age})
    >>> table = redundancy(features)
    >>> table[["feature", "nearest", "rho", "vif", "cluster"]].round(2)
      feature nearest   rho   vif  cluster
    0     m_s    km_h  1.00   inf        1
    1    km_h     m_s  1.00   inf        1
    2     age     m_s -0.43  1.05        2
    """
    check_range("threshold", threshold, low=0, high=1)
    check_features(features)
    finite = features.where(np.isfinite(features.to_numpy(dtype=float)))
    varying = finite.loc[:, finite.max() > finite.min()].sort_index()
    if varying.shape[1] < 2:
        raise ValueError(
            "`features` must have at least two columns that vary; "
            f"got {varying.shape[1]}."
        )
    rho = varying.corr("spearman").fillna(0.0)
    others = rho.to_numpy() - np.eye(len(rho))
    nearest = np.abs(others).argmax(axis=1)
    distance = squareform(np.clip(1 - np.abs(others) - np.eye(len(rho)), 0, 1))
    tree = linkage(distance, method="average")
    table = pd.DataFrame(
        {
            "vif": variance_inflation(varying.corr().fillna(0.0).to_numpy()),
            "nearest": varying.columns[nearest],
            "rho": others[np.arange(len(rho)), nearest],
            "cluster": fcluster(tree, 1 - threshold, criterion="distance"),
            "order": np.argsort(leaves_list(tree)),
        },
        index=varying.columns,
    ).reindex(features.columns)
    whole = {
        name: table[name].fillna(-1 if name == "order" else 0).astype(int)
        for name in ("cluster", "order")
    }
    return table.assign(**whole).rename_axis("feature").reset_index()


def variance_inflation(correlation: np.ndarray) -> np.ndarray:
    """Variance inflation factors, the diagonal of the inverse correlation matrix.

    Parameters
    ----------
    correlation : array of shape (feature, feature)
        Symmetric.

    Returns
    -------
    numpy.ndarray of shape (feature,)
        At least 1; infinite where a feature takes part in a linear dependence.

    Examples
    --------
    >>> import numpy as np
    >>> from cpexplore.stats import variance_inflation
    >>> variance_inflation(np.array([[1.0, 0.6], [0.6, 1.0]])).round(4).tolist()
    [1.5625, 1.5625]
    """
    values, vectors = np.linalg.eigh(correlation)
    loadings = vectors**2
    dependent = values < _SINGULAR
    inflation = loadings[:, ~dependent] @ (1 / values[~dependent])
    return np.where((loadings[:, dependent] > _SINGULAR).any(axis=1), np.inf, inflation)

"""Joint-angle curves over the gait cycle: where do they change with the level."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from cpexplore._validation import check_range, quoted
from cpexplore.stats._sample import Sample, make_sample, q_values
from cpexplore.stats.permutation import exchangeable, permutations
from cpexplore.stats.resampling import patient_counts, percentile_interval


def compare_curves(
    curves: xr.Dataset,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    threshold: float = 0.05,
    n_permutations: int = 4999,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Test over the whole gait cycle whether curves change with the level.

    Parameters
    ----------
    curves : xarray.Dataset
        Variables of dims (walk, phase); ``walk`` holds the walk ids. Walks with a
        missing point are left out, curve by curve.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome`` and ``groups``.
    outcome : str
        An ordered categorical column of any names, or a numeric one.
    groups : str
        The column that names the patient.
    threshold : float
        Pointwise two-sided p, 0 to 1, below which neighbouring points form a cluster.
    n_permutations : int
        Exchanges of outcomes between patients.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row per curve and phase: ``curve, phase, method, estimate`` (Spearman
        correlation with the level), ``cluster`` (number within the curve, 0 outside),
        ``p_value`` and ``q_value`` of that cluster, ``n_rows, n_patients, n_missing``.

    Raises
    ------
    TypeError
        If the outcome has no order.
    ValueError
        If dims do not match or the outcome has fewer than two levels.

    Notes
    -----
    The size of a cluster is the sum of its correlations; its p is how often the
    largest cluster after exchanging the outcomes of whole patients is at least as
    large. The test says that a curve changes with the level; the ends of a cluster
    are no estimate of where. q-values are over all clusters of all curves.

    References
    ----------
    Maris E., Oostenveld R. (2007). Nonparametric statistical testing of EEG- and
    MEG-data. J Neurosci Methods 164, 177-190.
    """
    check_range("threshold", threshold, low=0, high=1, inclusive=False)
    generator = np.random.default_rng(rng)
    tables = []
    for name, sample in _samples(curves, index, outcome=outcome, groups=groups):
        rho, cluster, p_values = _clusters(
            sample, threshold, n_permutations, rng=generator
        )
        found = {
            "curve": name,
            "phase": sample.features.columns,
            "method": "cluster_permutation",
            "estimate": rho,
            "cluster": cluster,
            "p_value": np.append(np.nan, p_values)[cluster],
            "n_rows": len(sample.y),
            "n_patients": sample.n_patients,
            "n_missing": curves.sizes["walk"] - len(sample.y),
        }
        tables.append(pd.DataFrame(found))
    table = pd.concat(tables, ignore_index=True)
    first = (table["cluster"] > 0) & ~table.duplicated(["curve", "cluster"])
    keys = table.loc[first, ["curve", "cluster", "p_value"]]
    keys = keys.assign(q_value=q_values(keys["p_value"])).drop(columns="p_value")
    return table.merge(keys, how="left", on=["curve", "cluster"])


def level_curves(
    curves: xr.Dataset,
    index: pd.DataFrame,
    *,
    outcome: str = "gmfcs",
    groups: str = "patient_id",
    n_resamples: int = 1000,
    ci_level: float = 0.95,
    rng: np.random.Generator | int | None = None,
) -> pd.DataFrame:
    """Average curves by level with pointwise patient-bootstrap intervals.

    Parameters
    ----------
    curves : xarray.Dataset
        Variables of dims (walk, phase), as in :func:`compare_curves`.
    index : pandas.DataFrame
        Index ``walk_id`` with the columns ``outcome`` and ``groups``.
    outcome, groups : str
        As in :func:`compare_curves`.
    n_resamples : int
        Of the patient bootstrap.
    ci_level : float
        Nominal pointwise coverage.
    rng : numpy.random.Generator, int or None
        Source of randomness.

    Returns
    -------
    pandas.DataFrame
        One row per curve, level and phase: ``curve, level, phase, estimate`` (mean of
        the walks), ``ci_low, ci_high, ci_level, n_rows, n_patients``.

    Raises
    ------
    TypeError, ValueError
        As :func:`compare_curves`.
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    generator = np.random.default_rng(rng)
    tables = []
    for name, sample in _samples(curves, index, outcome=outcome, groups=groups):
        counts = patient_counts(sample.n_patients, n_resamples, generator)
        points = sample.features.to_numpy()
        for code, level in enumerate(sample.levels):
            members = sample.y == code
            weights = counts[:, sample.patients[members]].astype(float)
            total = weights.sum(axis=1, keepdims=True)
            undefined = np.full((n_resamples, points.shape[1]), np.nan)
            means = np.divide(
                weights @ points[members], total, out=undefined, where=total > 0
            )
            low, high = percentile_interval(means, ci_level=ci_level)
            table = {
                "curve": name,
                "level": level,
                "phase": sample.features.columns,
                "estimate": points[members].mean(axis=0),
                "ci_low": low,
                "ci_high": high,
                "ci_level": ci_level,
                "n_rows": int(members.sum()),
                "n_patients": len(np.unique(sample.patients[members])),
            }
            tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def _samples(
    curves: xr.Dataset, index: pd.DataFrame, *, outcome: str, groups: str
) -> Iterator[tuple[str, Sample]]:
    """The complete walks of each curve; phases take the place of features."""
    for name, curve in curves.data_vars.items():
        if set(curve.dims) != {"walk", "phase"}:
            raise ValueError(
                "`curves` must have variables of dims (walk, phase); "
                f"{name!r} has {quoted(curve.dims)}. Choose or average the others."
            )
        values = curve.transpose("walk", "phase").to_numpy()
        walks, phases = curve["walk"].to_numpy(), curve["phase"].to_numpy()
        table = pd.DataFrame(values, index=walks, columns=phases).dropna()
        if table.empty:
            raise ValueError(f"`curves` must have a complete walk; {name!r} has none.")
        yield str(name), make_sample(table, index, outcome=outcome, groups=groups)


def _clusters(
    sample: Sample, threshold: float, n: int, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlation and cluster number per phase, p-value per cluster."""
    rows, strata = exchangeable(sample.patients)
    points, outcome = sample.features.to_numpy(), sample.y[:, None]
    rho = (_ranks(points).T @ _ranks(outcome)).ravel()
    x, y = _ranks(points[rows]).T, _ranks(outcome[rows])[:, 0]
    observed = x @ y
    null = np.hstack([x @ y[order] for order in permutations(strata, n=n, rng=rng)])
    limit = np.quantile(np.abs(null), 1 - threshold, axis=1)
    cluster, sizes = _label(observed, limit)
    largest = np.array(
        [max(_label(column, limit)[1], default=0.0) for column in null.T]
    )
    p_values = np.array([(1 + (largest >= size).sum()) / (1 + n) for size in sizes])
    return rho, cluster, p_values


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks within columns, of mean 0 and length 1; 0 in constant columns."""
    ranks = stats.rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.linalg.norm(ranks, axis=0)
    return ranks / np.where(length > 0, length, 1.0)


def _label(rho: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Number runs of one sign beyond the limit 1, 2, ...; the size of each run."""
    sign = np.where(np.abs(rho) > limit, np.sign(rho), 0)
    starts = np.flatnonzero(np.diff(sign, prepend=0) != 0)
    starts = starts[sign[starts] != 0]
    begins = np.zeros(len(rho), dtype=int)
    begins[starts] = 1
    cluster = np.where(sign != 0, np.cumsum(begins), 0)
    sizes = np.bincount(cluster, np.abs(rho), minlength=len(starts) + 1)[1:]
    return cluster, sizes.tolist()

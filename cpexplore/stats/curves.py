"""Joint-angle curves over the gait cycle: where do they change with the level."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from cpexplore._validation import check_range, quoted
from cpexplore.stats._sample import (
    MIN_PATIENTS,
    Sample,
    make_sample,
    q_values,
    too_few,
)
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
        missing point are left out, curve by curve. Of sides, take one or average them.
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
        ``p_value`` of that cluster, ``q_value`` of its curve (both missing outside
        clusters), ``n_rows, n_patients, n_missing`` and ``note``, which says why there
        is no test.

    Raises
    ------
    TypeError
        If the outcome has no order.
    ValueError
        If dims do not match, ``index`` lacks a walk, the outcome has fewer than two
        levels or a number is out of range.

    Notes
    -----
    The size of a cluster is by how much its correlations exceed, in sum, what is
    needed to form one: curves shift as a whole by chance, so that long weak clusters
    are common and would hide short strong ones. p is how often the largest cluster
    after exchanging the outcomes of whole patients is at least as large. The test says
    that a curve changes with the level; the ends of a cluster are no estimate of
    where. A curve's p is that of its largest cluster, 1 if none formed; q-values are
    over all curves that could be tested, so that the data do not choose the family.

    References
    ----------
    Bullmore E. T. et al. (1999). Global, voxel, and cluster tests, by theory and
    permutation, for a difference between two groups of structural MR images of the
    brain. IEEE Trans Med Imaging 18, 32-42.

    Maris E., Oostenveld R. (2007). Nonparametric statistical testing of EEG- and
    MEG-data. J Neurosci Methods 164, 177-190.

    Examples
    --------
    Made curves: the knee (deg) bends less in swing at higher levels, and alike
    elsewhere:

    >>> import numpy as np
    >>> import pandas as pd
    >>> import xarray as xr
    >>> from cpexplore import stats
    >>> walks, level = [f"W{n:02d}" for n in range(15)], np.repeat([1, 2, 3], 5)
    >>> phase = np.arange(0, 100, 10)
    >>> knee = np.where(phase // 20 == 3, 70 - 10 * level[:, None], 20)
    >>> curves = xr.Dataset(
    ...     {"knee": (("walk", "phase"), knee)}, {"walk": walks, "phase": phase}
    ... )
    >>> index = pd.DataFrame({"patient_id": walks, "gmfcs": level}, index=walks)
    >>> table = stats.compare_curves(curves, index, n_permutations=199, rng=0)
    >>> table.loc[table["cluster"] > 0, ["curve", "phase", "estimate", "cluster"]]
      curve  phase  estimate  cluster
    6  knee     60      -1.0        1
    7  knee     70      -1.0        1
    """
    check_range("threshold", threshold, low=0, high=1, inclusive=False)
    generator = np.random.default_rng(rng)
    tables = []
    smallest: dict[str, float] = {}
    for name, sample, whole in _samples(curves, index, outcome=outcome, groups=groups):
        points, levels = sample.features.to_numpy()[whole], sample.y[whole]
        patients = np.unique(sample.patients[whole], return_inverse=True)[1]
        note = _why_not(levels, patients, sample.levels)
        rho, cluster = np.full(points.shape[1], np.nan), np.zeros(points.shape[1], int)
        p_values = np.array([])
        if not note:
            rho, cluster, p_values = _clusters(
                points,
                levels,
                patients,
                threshold=threshold,
                n_permutations=n_permutations,
                rng=generator,
            )
            smallest[name] = float(p_values.min(initial=1.0))
        found = {
            "curve": name,
            "phase": sample.features.columns,
            "method": "cluster_permutation",
            "estimate": rho,
            "cluster": cluster,
            "p_value": np.append(np.nan, p_values)[cluster],
            "n_rows": len(levels),
            "n_patients": len(np.unique(patients)),
            "n_missing": curves.sizes["walk"] - len(levels),
            "note": note,
        }
        tables.append(pd.DataFrame(found))
    table = pd.concat(tables, ignore_index=True)
    adjusted = dict(zip(smallest, q_values(list(smallest.values())), strict=True))
    q_value = [adjusted.get(curve, np.nan) for curve in table["curve"]]
    return table.assign(q_value=np.where(table["cluster"] > 0, q_value, np.nan))


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
        the walks), ``ci_low, ci_high, ci_level, n_rows, n_patients``. A level of
        fewer than 5 patients has no interval.

    Raises
    ------
    TypeError, ValueError
        As :func:`compare_curves`.

    Examples
    --------
    Made curves of a knee (deg) that bends less in swing at higher levels:

    >>> import numpy as np
    >>> import pandas as pd
    >>> import xarray as xr
    >>> from cpexplore import stats
    >>> walks, level = [f"W{n:02d}" for n in range(15)], np.repeat([1, 2, 3], 5)
    >>> phase = np.arange(0, 100, 10)
    >>> knee = np.where(phase // 20 == 3, 70 - 10 * level[:, None], 20)
    >>> curves = xr.Dataset(
    ...     {"knee": (("walk", "phase"), knee)}, {"walk": walks, "phase": phase}
    ... )
    >>> index = pd.DataFrame({"patient_id": walks, "gmfcs": level}, index=walks)
    >>> table = stats.level_curves(curves, index, n_resamples=100, rng=0)
    >>> table.loc[table["phase"] == 70, ["level", "estimate", "n_patients"]]
       level  estimate  n_patients
    7      1      60.0           5
    17     2      50.0           5
    27     3      40.0           5
    """
    check_range("ci_level", ci_level, low=0, high=1, inclusive=False)
    generator = np.random.default_rng(rng)
    tables = []
    for name, sample, whole in _samples(curves, index, outcome=outcome, groups=groups):
        counts = patient_counts(sample.n_patients, n_resamples, generator)
        for code, level in enumerate(sample.levels):
            members = whole & (sample.y == code)
            n_patients = len(np.unique(sample.patients[members]))
            weights = counts[:, sample.patients[members]].astype(float)
            means = _weighted_means(sample.features.to_numpy()[members], weights)
            low, high = percentile_interval(means, ci_level=ci_level)
            known = n_patients >= MIN_PATIENTS
            table = {
                "curve": name,
                "level": level,
                "phase": sample.features.columns,
                "estimate": sample.features[members].mean().to_numpy(),
                "ci_low": low if known else np.nan,
                "ci_high": high if known else np.nan,
                "ci_level": ci_level,
                "n_rows": int(members.sum()),
                "n_patients": n_patients,
            }
            tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def _samples(
    curves: xr.Dataset, index: pd.DataFrame, *, outcome: str, groups: str
) -> Iterator[tuple[str, Sample, np.ndarray]]:
    """The walks of each curve, phases as features, and which have all of them."""
    for name, curve in curves.data_vars.items():
        if set(curve.dims) != {"walk", "phase"}:
            raise ValueError(
                "`curves` must have variables of dims (walk, phase); "
                f"{name!r} has {quoted(curve.dims)}. Choose or average the others."
            )
        table = pd.DataFrame(
            curve.transpose("walk", "phase").to_numpy(),
            index=curve["walk"].to_numpy(),
            columns=curve["phase"].to_numpy(),
        )
        sample = make_sample(table, index, outcome=outcome, groups=groups)
        yield str(name), sample, np.asarray(sample.features.notna().all(axis=1))


def _why_not(levels: np.ndarray, patients: np.ndarray, names: tuple[str, ...]) -> str:
    """Say why there is no test; nothing if there is one."""
    if not len(levels):
        return "no walk has the whole curve"
    if np.ptp(levels) == 0:
        return f"only level {names[levels[0]]} has the whole curve"
    return too_few(len(np.unique(patients)))


def _clusters(
    points: np.ndarray,
    levels: np.ndarray,
    patients: np.ndarray,
    *,
    threshold: float,
    n_permutations: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlation and cluster number per phase, p-value per cluster."""
    rows, strata = exchangeable(patients)
    outcome = levels[:, None]
    rho = (_ranks(points).T @ _ranks(outcome)).ravel()
    x, y = _ranks(points[rows]).T, _ranks(outcome[rows])[:, 0]
    observed = x @ y
    orders = permutations(strata, n=n_permutations, rng=rng)
    null = np.hstack([x @ y[order] for order in orders])
    every = np.column_stack([observed, null])
    limit = np.quantile(np.abs(every), 1 - threshold, axis=1)
    cluster, sizes = _label(observed, limit)
    largest = np.array(
        [max(_label(column, limit)[1], default=0.0) for column in null.T]
    )
    exceeded = [(largest >= size).sum() for size in sizes]
    return rho, cluster, (1 + np.array(exceeded)) / (1 + n_permutations)


def _weighted_means(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean curve under each weighting of the rows; NaN where all weights are 0."""
    total = weights.sum(axis=1, keepdims=True)
    out = np.full((len(weights), points.shape[1]), np.nan)
    return np.divide(weights @ points, total, out=out, where=total > 0)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks within columns, of mean 0 and length 1; 0 in constant columns."""
    ranks = stats.rankdata(values, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.linalg.norm(ranks, axis=0)
    return ranks / np.where(length > 0, length, 1.0)


def _label(rho: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Number runs of one sign beyond the limit 1, 2, ...; what each has beyond it."""
    sign = np.where(np.abs(rho) > limit, np.sign(rho), 0)
    starts = np.flatnonzero(np.diff(sign, prepend=0) != 0)
    starts = starts[sign[starts] != 0]
    begins = np.zeros(len(rho), dtype=int)
    begins[starts] = 1
    cluster = np.where(sign != 0, np.cumsum(begins), 0)
    beyond = np.abs(rho) - limit
    sizes = np.bincount(cluster, beyond, minlength=len(starts) + 1)[1:]
    return cluster, sizes.tolist()

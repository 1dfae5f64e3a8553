"""Simulated against published numbers, row by row.

The status of a row says how far its number can be trusted: ``published`` as it stands;
``derived`` from published ones (rescaled between laboratories); ``unverified``, for it
rests on something that is not published; ``own``, a promise of the simulator.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

from cpexplore.gmfcs import LEVELS
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.children import Child
from cpexplore.simulate.labels import reference_labels
from cpexplore.simulate.walk import simulate_walk

_CLIP, _CLIP_STRIDE, _CLIP_END, _CLIP_MISSING = 124, 31, 500, 0.25
_JUDGED = [f"{s}_{j}" for s in ("left", "right") for j in ("hip", "knee", "ankle")]
_JUDGED += ["left_big_toe", "right_big_toe"]
_GILLETTE = "Kidzinski 2020, public release"
_SCHWARTZ = "Schwartz 2008"
_BY_SPEED = ("unverified", f"{_SCHWARTZ}; the speed of each class is assumed")
_COLUMNS = (
    *("quantity", "level", "published", "tolerance", "simulated"),
    *("status", "source"),
)


def measure(children: Iterable[Child], *, n_jobs: int = 1) -> pd.DataFrame:
    """Simulate walks and measure their truth and their tracking.

    Parameters
    ----------
    children : iterable of Child
        One per walk.
    n_jobs : int
        Processes; see :class:`joblib.Parallel`. The result does not depend on it.

    Returns
    -------
    pandas.DataFrame
        Index ``walk_id``: who walked, the parameters of :class:`Truth`, double support
        (% of the time walked), ``clips_kept`` (share, 0 to 1), leg points missing and
        frames with swapped legs (%), and the median correction (deg) of hip, knee and
        ankle.

    Examples
    --------
    A simulated typical child at its usual speed is in stance for three fifths of the
    cycle:

    >>> from cpexplore.simulate import measure, td_children
    >>> measured = measure(td_children(1, seed=0, speeds=("free",)))
    >>> names = ["stance_pct", "double_support_pct", "missing_pct"]
    >>> measured.loc["T0000_free", names].astype(float).round(0).to_dict()
    {'stance_pct': 59.0, 'double_support_pct': 18.0, 'missing_pct': 0.0}
    """
    rows = Parallel(n_jobs=n_jobs)(delayed(_measured)(child) for child in children)
    return pd.DataFrame(rows).set_index("walk_id")


def plausibility(measured: pd.DataFrame, children: list[Child]) -> pd.DataFrame:
    """Compare simulated children with published numbers.

    Parameters
    ----------
    measured : pandas.DataFrame
        From :func:`measure`, at least 100 walks with a level.
    children : list of Child
        The same walks in the same order.

    Returns
    -------
    pandas.DataFrame
        Columns ``quantity, level, published, tolerance, simulated, within, status,
        source``; ``tolerance`` is what the simulator promises, not a spread.

    Raises
    ------
    ValueError
        If there are fewer walks than the five folds of the discriminant.

    Examples
    --------
    The rows that miss their published number; a hundred walks take some seconds:

    >>> from cpexplore.simulate import draw_children, measure, plausibility
    >>> children = draw_children(60, seed=0)  # doctest: +SKIP
    >>> table = plausibility(measure(children), children)  # doctest: +SKIP
    >>> table[~table["within"]]  # doctest: +SKIP
    """
    labels = reference_labels(children).join(measured[["gmfcs", "patient_id"]])
    rows = [
        *_means_by_level(measured),
        *_pooled(labels),
        *_correlations(measured, labels),
        *_label_rows(labels),
        *_visits(measured),
        *_physics(measured),
    ]
    return judged(rows)


def judged(rows: list[tuple]) -> pd.DataFrame:
    """Make the table of :func:`plausibility` from its rows.

    Parameters
    ----------
    rows : list of tuple
        Quantity, level, published, tolerance, simulated, status, source.
    """
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    off = (table["simulated"] - table["published"]).abs()
    return table.assign(within=off <= table["tolerance"])


def typical_plausibility(measured: pd.DataFrame) -> pd.DataFrame:
    """Compare typical children, measured at their four speeds, with published numbers.

    Parameters
    ----------
    measured : pandas.DataFrame
        From :func:`measure` of :func:`td_children`; the speed ``"fast"`` may be absent.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`plausibility`; ``level`` is the speed.

    Raises
    ------
    KeyError
        If another speed is absent.

    Examples
    --------
    One child, recorded for 10 s at each speed, shows the table; a fair comparison takes
    many:

    >>> from dataclasses import replace
    >>> from cpexplore.simulate import measure, td_children, typical_plausibility
    >>> drawn = td_children(1, seed=0, speeds=("very_slow", "slow", "free"))
    >>> measured = measure(replace(child, n_frames=250) for child in drawn)
    >>> table = typical_plausibility(measured)
    >>> table.loc[:2, ["quantity", "level", "published", "simulated"]].round(0)
                 quantity      level  published  simulated
    0  stance, % of cycle       free       59.0       59.0
    1  stance, % of cycle       slow       62.0       62.0
    2  stance, % of cycle  very_slow       68.0       68.0
    """
    by_speed = _mean_by(measured, "visit_id")
    knee = measured[["knee_min_stance_left_deg", "knee_min_stance_right_deg"]]
    least = float(np.mean(knee[measured["visit_id"] == "free"]))
    free = by_speed.loc["free"]
    timing = [
        (name, speed, number, tolerance, by_speed.loc[speed, column], *_BY_SPEED)
        for name, column, tolerance, numbers in (
            ("stance, % of cycle", "stance_pct", 1.5, (59, 62, 68)),
            ("double support, % of cycle", "double_support_pct", 3, (19, 24, 36)),
        )
        for speed, number in zip(("free", "slow", "very_slow"), numbers, strict=True)
    ]
    pinzone = ("derived", "Pinzone 2014, mean of two centres")
    return judged(
        [
            *timing,
            ("knee min stance, deg", "free", 6.2, 2.0, least, "published", _SCHWARTZ),
            ("speed, m/s", "free", 1.2, 0.1, free["speed_mps"], *pinzone),
            ("cadence, steps/min", "free", 125, 6, free["cadence_spm"], *pinzone),
        ]
    )


def _measured(child: Child) -> dict[str, object]:
    walk, truth = simulate_walk(child)
    seen = np.isfinite(walk["position"].sel(keypoint=_JUDGED, space="x").values)
    starts = range(0, min(len(seen), _CLIP_END) - _CLIP + 1, _CLIP_STRIDE)
    missing = [(~seen[s : s + _CLIP]).mean(axis=0).max() for s in starts]
    walking = truth.bout.values >= 0
    bent = np.median(np.abs(truth.correction.values[walking]), axis=(0, 1))
    joints = ("hip", "knee", "ankle")
    both = truth.contact.values[walking].all(axis=1)
    about = ("walk_id", "patient_id", "visit_id", "gmfcs", "device")
    return {
        **{name: getattr(child, name) for name in about},
        **truth.parameters,
        "double_support_pct": 100 * float(both.mean()),
        "clips_kept": float(np.mean(np.array(missing) <= _CLIP_MISSING)),
        "missing_pct": 100 * float((~seen).mean()),
        "swapped_pct": 100 * float(truth.swapped.mean()),
        **{f"correction_{j}_deg": float(b) for j, b in zip(joints, bent, strict=True)},
    }


def _means_by_level(measured: pd.DataFrame) -> list[tuple]:
    sides = ["knee_min_stance_left_deg", "knee_min_stance_right_deg"]
    table = measured.assign(knee=measured[sides].mean(axis=1))
    mean = _mean_by(table, "gmfcs")
    keep = dict(zip(LEVELS, (0.87, 0.86, 0.77, 0.65), strict=True))
    ratios = "Fitzgerald 2016 by level, scaled to Kidzinski 2020"
    wanted = (
        ("speed, m/s", "speed_mps", PARAMETERS.speed_mps, (0.05,) * 4, ratios),
        ("cadence, steps/min", "cadence_spm", PARAMETERS.cadence_spm, (5,) * 4, ""),
        (
            *("knee min stance, deg", "knee", PARAMETERS.knee_min_stance_deg),
            *((2, 2, 2, 3.5), ""),
        ),
        ("clips kept", "clips_kept", keep, (0.04, 0.04, 0.04, 0.10), ""),
    )
    return [
        (
            *(name, level, target[level], tolerance, mean.loc[level, column]),
            _status(name, level),
            source or _GILLETTE,
        )
        for name, column, target, tolerances, source in wanted
        for level, tolerance in zip(LEVELS, tolerances, strict=True)
        if level in mean.index
    ]


def _status(name: str, level: str) -> str:
    """The public release has few walks of level IV, and other studies none."""
    if name == "clips kept":
        return "published"
    return "unverified" if level == "IV" else "derived"


def _pooled(labels: pd.DataFrame) -> list[tuple]:
    """Mean and spread of the laboratory's labels over all sides and levels."""
    numbers = (
        ("speed", "speed label, m/s", (0.959, 0.05), (0.240, 0.04)),
        ("cadence", "cadence label, strides/s", (1.014, 0.042), (0.185, 0.03)),
        ("KneeFlex_maxExtension", "knee label, deg", (10.4, 2.0), (12.0, 2.0)),
        ("GDI", "GDI label", (77.3, 2.5), (10.5, 1.6)),
    )
    rows = []
    for name, quantity, *published in numbers:
        values = labels.filter(regex=f"^{name}(_|$)").to_numpy()
        for kind, (number, tolerance), simulated in zip(
            ("mean", "SD"), published, (values.mean(), values.std()), strict=True
        ):
            about = (f"{quantity}, {kind}", "all", number, tolerance)
            rows.append((*about, float(simulated), "published", _GILLETTE))
    return rows


def _correlations(measured: pd.DataFrame, labels: pd.DataFrame) -> list[tuple]:
    knee = pd.concat(
        [measured["knee_min_stance_left_deg"], measured["knee_min_stance_right_deg"]]
    ).to_numpy()
    speed = np.tile(measured["speed_mps"], 2)
    cadence = _r(measured["speed_mps"].to_numpy(), measured["cadence_spm"].to_numpy())
    gdi = np.concatenate([labels["GDI_left"], labels["GDI_right"]])
    flexed = np.concatenate(
        [labels["KneeFlex_maxExtension_left"], labels["KneeFlex_maxExtension_right"]]
    )
    pairs = (
        ("r(speed, cadence)", 0.645, 0.08, cadence),
        ("r(speed, knee)", -0.15, 0.12, _r(speed, knee)),
        ("r(speed, GDI label)", 0.447, 0.08, _r(np.tile(labels["speed"], 2), gdi)),
        ("r(knee, GDI label)", -0.42, 0.08, _r(flexed, gdi)),
    )
    return [(name, "all", *numbers, "published", _GILLETTE) for name, *numbers in pairs]


def _label_rows(labels: pd.DataFrame) -> list[tuple]:
    gdi = labels[["GDI_left", "GDI_right"]].mean(axis=1)
    knee = labels.filter(like="KneeFlex").mean(axis=1)
    means = _mean_by(labels.assign(gdi=gdi), "gmfcs")["gdi"]
    features = labels[["speed", "cadence"]].assign(gdi=gdi, knee=knee)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    accuracy = cross_val_score(
        LinearDiscriminantAnalysis(),
        features,
        labels["gmfcs"],
        groups=labels["patient_id"],
        cv=folds,
    ).mean()
    malt = "Malt 2016, shifted to Kidzinski 2020"
    rows = [
        (
            *("GDI label", k, PARAMETERS.gdi[k], tolerance, means[k]),
            *(_status("GDI label", k), malt),
        )
        for k, tolerance in zip(LEVELS, (2.5, 2.5, 2.5, 3.5), strict=True)
        if k in means.index
    ]
    bayes = ("derived", "what the published means and spreads allow")
    return [*rows, ("discriminant on labels", "all", 0.70, 0.10, accuracy, *bayes)]


def _visits(measured: pd.DataFrame) -> list[tuple]:
    patients = measured.groupby("patient_id")["gmfcs"]
    share = measured["gmfcs"].value_counts(normalize=True)
    known = ("published", _GILLETTE)
    several = float((patients.agg(set).str.len() > 1).mean())
    rows = [
        ("share of walks", k, PARAMETERS.share[k], tolerance, share.get(k, 0.0), *known)
        for k, tolerance in zip(LEVELS, (0.04, 0.04, 0.04, 0.018), strict=True)
    ]
    return [
        *rows,
        ("walks per patient", "all", 1.82, 0.15, patients.size().mean(), *known),
        ("patients with several levels", "all", 0.153, 0.04, several, *known),
    ]


def _physics(measured: pd.DataFrame) -> list[tuple]:
    return [
        (
            f"median correction of the {joint}, deg",
            "all",
            0.0,
            3.0,
            measured[f"correction_{joint}_deg"].median(),
            "own",
            "least-squares closure of the leg chain",
        )
        for joint in ("hip", "knee", "ankle")
    ]


def _mean_by(table: pd.DataFrame, group: str) -> pd.DataFrame:
    return pd.DataFrame(table.groupby(group).mean(numeric_only=True))


def _r(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])

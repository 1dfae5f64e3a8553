"""One simulated recording: a walk as a detector would report it, and the truth."""

import json
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from cpexplore.simulate import body, chain
from cpexplore.simulate.assumptions import PARAMETERS
from cpexplore.simulate.camera import Camera, draw_camera, project
from cpexplore.simulate.children import Child
from cpexplore.simulate.detector import Detection, detect
from cpexplore.simulate.gait import SIDES, Course, LegMotion, move_legs, plan_course
from cpexplore.simulate.planted import displaced
from cpexplore.walks import make_walk

SOURCE = "simulated (cpexplore)"
"""What simulated walks give as their source."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What really happened in a simulated walk."""

    child: Child
    """Who walked."""
    angles: xr.Dataset
    """``(time, side)``: the angles of ``gait.joint_angles``, deg, without projection;
    ``hip_flexion_deg`` is relative to the trunk, ``hip_pelvis_deg`` to the pelvis.
    Where a level is planted they are those of the moved keypoints."""
    events: pd.DataFrame
    """``side, event, time_s, bout``: contacts and foot-offs within passes."""
    points: xr.DataArray
    """``(time, keypoint, axis)`` in the room, m: x right, y up, z away."""
    clean: xr.DataArray
    """``(time, keypoint, space)`` px, the true projection."""
    contact: xr.DataArray
    """bool ``(time, side)``: foot on the ground in a pass."""
    swapped: xr.DataArray
    """bool ``(time,)``: the detector exchanged the legs."""
    bout: xr.DataArray
    """int ``(time,)``: number of the pass, -1 in a turn."""
    correction: xr.DataArray
    """``(time, side, joint)`` deg: what closing the leg chain added to the curves."""
    camera: Camera
    """The view."""

    @property
    def dataset(self) -> xr.Dataset:
        """Everything but the events in one dataset, to be written beside the walk.

        Its attributes hold the child (JSON) and the parameters.
        """
        arrays = (self.points, self.clean, self.contact, self.swapped, self.bout)
        named = {str(array.name): array for array in (*arrays, self.correction)}
        child = json.dumps(asdict(self.child))
        return self.angles.assign(named).assign_attrs(
            child=child, parameter_hash=PARAMETERS.hash(), **self.parameters.to_dict()
        )

    @property
    def parameters(self) -> pd.Series:
        """Speed, cadence and stance of the passes, and stance knee extension."""
        return _parameters(self)


def simulate_walk(
    child: Child, *, camera: Camera | None = None
) -> tuple[xr.Dataset, Truth]:
    """Simulate one recording of a child walking to and fro.

    Parameters
    ----------
    child : Child
        From :func:`draw_children` or :func:`td_children`.
    camera : Camera, optional
        The view; drawn when not given.

    Returns
    -------
    tuple of xarray.Dataset and Truth
        The raw walk (BODY_25, px, missing = NaN with confidence 0) and what really
        happened. The same child gives the same bytes, whatever the number of threads:
        linear algebra uses one.

    Raises
    ------
    KeyError
        If the pattern of a limb is unknown.

    Examples
    --------
    The child walked as fast as it wanted to (m/s); the detector missed some points:

    >>> from cpexplore.simulate import simulate_walk, td_children
    >>> child = td_children(1, seed=0, speeds=("free",))[0]
    >>> walk, truth = simulate_walk(child)
    >>> dict(walk.sizes)
    {'time': 682, 'keypoint': 25, 'space': 2}
    >>> round(child.speed_mps, 1), float(truth.parameters["speed_mps"].round(1))
    (1.3, 1.3)
    >>> bool(walk["position"].isnull().any()), bool(truth.clean.isnull().any())
    (True, False)
    """
    with threadpool_limits(limits=1):
        return _walk_and_truth(child, camera)


def _walk_and_truth(child: Child, camera: Camera | None) -> tuple[xr.Dataset, Truth]:
    streams = [np.random.default_rng([child.seed, stage]) for stage in range(5)]
    course = plan_course(child, rng=streams[0])
    legs = move_legs(child, course, rng=streams[1])
    posture = body.hold_body(child, course, rng=streams[2])
    every = round(1 / (child.fps * (course.time[1] - course.time[0])))
    points = body.place_body(child, course, legs=legs, posture=posture)[::every]
    points = displaced(
        points,
        child,
        keypoints=body.KEYPOINTS,
        phase=course.count[:, ::every] % 1,
        forward=course.forward[::every],
    )
    camera = camera or draw_camera(streams[3])
    clean = project(points, camera)
    seen = detect(
        clean,
        depth=points[..., 2],
        leg_px=camera.focal_px * child.leg_length_m / camera.distance_m,
        child=child,
        rng=streams[4],
    )
    walk = make_walk(
        seen.position,
        seen.confidence,
        fps=child.fps,
        keypoint_set="body_25",
        walk_id=child.walk_id,
        patient_id=child.patient_id,
        source=SOURCE,
        simulated=True,
    )
    return walk, _truth(
        child,
        walk,
        course=course,
        legs=legs,
        trunk=posture.trunk,
        points=points,
        clean=clean,
        seen=seen,
        camera=camera,
        every=every,
    )


def _truth(
    child: Child,
    walk: xr.Dataset,
    *,
    course: Course,
    legs: LegMotion,
    trunk: np.ndarray,
    points: np.ndarray,
    clean: np.ndarray,
    seen: Detection,
    camera: Camera,
    every: int,
) -> Truth:
    time = {"time": walk["time"].values}
    sided = time | {"side": list(SIDES)}
    keypoint = walk["keypoint"].values
    joint = ["hip", "knee", "ankle"]
    angles = _angles(legs, trunk, every=every, coords=sided)
    if child.plant is not None:
        angles = _of_points(points, angles, forward=course.forward[::every])
    return Truth(
        child=child,
        angles=angles,
        events=_events(course),
        points=xr.DataArray(
            points,
            time | {"keypoint": keypoint, "axis": ["x", "y", "z"]},
            name="points",
        ),
        clean=xr.DataArray(
            clean, time | {"keypoint": keypoint, "space": ["x", "y"]}, name="clean"
        ),
        contact=xr.DataArray(legs.contact[:, ::every].T, sided, name="contact"),
        swapped=xr.DataArray(seen.swapped, time, name="swapped"),
        bout=xr.DataArray(course.bout[::every], time, name="bout"),
        correction=xr.DataArray(
            np.degrees(legs.correction[..., ::every]).transpose(2, 0, 1),
            sided | {"joint": joint},
            name="correction",
        ),
        camera=camera,
    )


def _angles(
    legs: LegMotion, trunk: np.ndarray, *, every: int, coords: dict
) -> xr.Dataset:
    segments = chain.inclinations(legs.joints, legs.pelvis)
    named = {
        "hip_flexion_deg": segments[:, 0] + trunk,
        "hip_pelvis_deg": legs.joints[:, 0],
        "knee_flexion_deg": legs.joints[:, 1],
        "ankle_dorsiflexion_deg": legs.joints[:, 2],
        "thigh_deg": segments[:, 0],
        "shank_deg": segments[:, 1],
        "foot_pitch_deg": segments[:, 2],
    }
    angles = xr.Dataset(
        {
            name: (("time", "side"), np.degrees(value[:, ::every]).T)
            for name, value in named.items()
        },
        coords,
    )
    return angles.assign(trunk_lean_deg=("time", np.degrees(trunk[::every])))


def _of_points(
    points: np.ndarray, angles: xr.Dataset, *, forward: np.ndarray
) -> xr.Dataset:
    """The angles that moved keypoints make; the pelvis tilts as in ``angles``."""

    def inclination(upper: str, lower: str) -> np.ndarray:
        ends = [body.KEYPOINTS.index(name) for name in (upper, lower)]
        bone = points[:, ends[1]] - points[:, ends[0]]
        return np.degrees(np.arctan2((bone * forward).sum(axis=1), -bone[:, 1]))

    def sided(upper: str, lower: str) -> np.ndarray:
        both = [inclination(f"{side}_{upper}", f"{side}_{lower}") for side in SIDES]
        return np.stack(both, axis=1)

    trunk = -inclination("neck", "mid_hip")
    thigh, shank = sided("hip", "knee"), sided("knee", "ankle")
    pitch = sided("heel", "big_toe") - 90
    pelvis = angles["hip_pelvis_deg"].values - angles["thigh_deg"].values
    named = {
        "hip_flexion_deg": thigh + trunk[:, None],
        "hip_pelvis_deg": thigh + pelvis,
        "knee_flexion_deg": thigh - shank,
        "ankle_dorsiflexion_deg": pitch - shank,
        "thigh_deg": thigh,
        "shank_deg": shank,
        "foot_pitch_deg": pitch,
    }
    moved = {name: (("time", "side"), value) for name, value in named.items()}
    return angles.assign(moved).assign(trunk_lean_deg=("time", trunk))


def _events(course: Course) -> pd.DataFrame:
    rows = []
    for side, contacts, offs in zip(
        SIDES, course.contacts, course.foot_offs, strict=True
    ):
        for event, times in (("initial_contact", contacts), ("foot_off", offs)):
            inside = times[(times >= 0) & (times <= course.time[-1])]
            at = np.round(inside / (course.time[1] - course.time[0])).astype(int)
            bouts = course.bout[np.minimum(at, len(course.bout) - 1)]
            rows += [
                (side, event, when, bout)
                for when, bout in zip(inside, bouts, strict=True)
                if bout >= 0
            ]
    events = pd.DataFrame(rows, columns=["side", "event", "time_s", "bout"])
    return events.sort_values("time_s", ignore_index=True)


def _parameters(truth: Truth) -> pd.Series:
    """Spatiotemporal parameters and minimum stance knee flexion of the passes."""
    walking = truth.bout.values >= 0
    hips = truth.points.sel(keypoint="mid_hip", axis=["x", "z"]).values
    step = np.hypot(*np.diff(hips, axis=0).T)
    same = walking[1:] & walking[:-1]
    contacts = truth.events[truth.events["event"] == "initial_contact"]
    strides = contacts.groupby(["side", "bout"])["time_s"].diff().dropna()
    knee = truth.angles["knee_flexion_deg"].where(truth.contact)
    return pd.Series(
        {
            "speed_mps": step[same].mean() * truth.child.fps,
            "cadence_spm": 120 / strides.mean(),
            "stance_pct": 100 * truth.contact.values[walking].mean(),
            "knee_min_stance_left_deg": _stance_extreme(truth, knee, "left"),
            "knee_min_stance_right_deg": _stance_extreme(truth, knee, "right"),
        }
    )


def _stance_extreme(truth: Truth, knee: xr.DataArray, side: str) -> float:
    """Median over strides of the least knee flexion in stance, deg."""
    events = truth.events
    of_side = (events["side"] == side) & (events["event"] == "initial_contact")
    contacts = events[of_side]
    stride = np.searchsorted(contacts["time_s"], knee["time"].values, side="right")
    flexion = knee.sel(side=side).values
    strides = [flexion[stride == number] for number in np.unique(stride)]
    least = [np.nanmin(one) for one in strides if np.isfinite(one).any()]
    return float(np.median(least))

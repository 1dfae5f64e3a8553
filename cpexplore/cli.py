"""The command line: parse, call one function, print where the result is.

Exit code 0 done, 1 failed, 2 wrong use: an option that does not parse, or an output
that is there already; 130 interrupted. An error is one sentence; ``--debug``
shows the traceback. Heavy imports happen inside the commands, so that ``--help`` is
instant.
"""

import re
import sys
import warnings
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="GMFCS levels from videos of walking children: which joints and gait "
    "features say so, and how sure one may be. Research use only. Errors are one "
    "sentence; --debug, anywhere, shows the traceback.",
)

_INTERRUPTED = 130
"""Exit code that typer makes of Ctrl-C."""

Fps = Annotated[
    float | None,
    typer.Option(min=1, help="Frames per second, where the file does not say."),
]
Keypoints = Annotated[
    Literal["body_25", "coco_17", "halpe_26", "blazepose_33"] | None,
    typer.Option("--keypoint-set", help="Where the file does not say."),
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
RunPath = Annotated[Path, typer.Option("--run", help="A finished run directory.")]


@app.command()
def run(
    *,
    cohort: Annotated[
        str, typer.Option(help="'simulated', or a folder in the Gillette layout.")
    ] = "simulated",
    preset: Annotated[
        Literal["quick", "paper"], typer.Option(help="Size of the skeleton network.")
    ] = "quick",
    out: Annotated[
        Path,
        typer.Option(help="Run directory, new or empty; or one to resume."),
    ] = Path("runs/run"),
    folds: Annotated[int, typer.Option(min=2, help="Patient-grouped folds.")] = 5,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of every network; default the recipe's.")
    ] = None,
    jobs: Jobs = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of folds and training.")] = 0,
) -> None:
    """Run the whole method: features, skeleton network, fusion, statistics, report."""
    from cpexplore import pipeline
    from cpexplore.datasets import summarise

    asked: dict[str, Any] = {"preset": preset, "folds": folds}
    asked |= {"seed": seed, "epochs": epochs}
    pipeline.refuse_other_study(out, asked)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Left out of ")  # it is among the notes
        loaded = pipeline.load_cohort(cohort)
    for note in (summarise(loaded), *loaded.notes):
        typer.echo(note)
    finished = pipeline.run(loaded, out=out, n_jobs=jobs, **asked)
    for file in sorted(finished.path.iterdir()):
        typer.echo(str(file))
    typer.echo(f"report: {finished.path / 'report.html'}")


@app.command()
def explain(
    walk: Annotated[
        str, typer.Argument(help="A file, 'sample:sports2d', or a walk id of the run.")
    ],
    *,
    run: RunPath,
    out: Annotated[
        Path | None,
        typer.Option(help="New folder; default RUN/explain/ID, written anew."),
    ] = None,
    fps: Fps = None,
    keypoint_set: Keypoints = None,
) -> None:
    """Explain one walk: levels, joints, gait features, quality; writes explain.html."""
    from cpexplore import pipeline

    page = pipeline.explain_to_page(
        walk, run=run, out=out, fps=fps, keypoint_set=keypoint_set
    )
    typer.echo(f"report: {page}")


@app.command()
def features(
    paths: Annotated[list[str], typer.Argument(help="Files or 'sample:NAME'.")],
    *,
    out: Annotated[Path, typer.Option(help="New CSV file.")] = Path("features.csv"),
    fps: Fps = None,
    keypoint_set: Keypoints = None,
) -> None:
    """Compute the gait features of recordings, with reasons for what is missing."""
    from cpexplore import pipeline

    for file in pipeline.features_to_files(
        paths, out=out, fps=fps, keypoint_set=keypoint_set
    ):
        typer.echo(str(file))


@app.command()
def pose(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="New walk file; default VIDEO.nc.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="MediaPipe .task file; default CPEXPLORE_POSE_MODEL."),
    ] = None,
    fps: Fps = None,
    keypoint_set: Keypoints = None,
) -> None:
    """Track a video with MediaPipe (extra 'video') and write the walk."""
    from cpexplore.io import write_walk
    from cpexplore.io.files import check_new_file
    from cpexplore.io.pose_estimation import estimate_walk
    from cpexplore.walks import convert_keypoints

    target = out or video.with_suffix(".nc")
    check_new_file(target, name="out")
    walk = estimate_walk(video, model=model, fps=fps)
    if keypoint_set is not None:
        walk = convert_keypoints(walk, keypoint_set)
    write_walk(walk, target)
    typer.echo(str(target))


@app.command()
def simulate(
    *,
    out: Annotated[Path, typer.Option(help="New or empty folder.")],
    preset: Annotated[
        Literal["demo", "gillette", "planted"],
        typer.Option(help="96, 797 or 120 children; 'planted' has one known cause."),
    ] = "demo",
    patients: Annotated[
        int | None,
        typer.Option(min=1, help="Number of children; default the preset's."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the cohort.")] = 0,
    layout: Annotated[
        Literal["native", "gaitlab"],
        typer.Option(help="Our own, or that of the Gillette release."),
    ] = "native",
    world: Annotated[
        Literal["standard", "no_device", "beyond_catalogue", "null"],
        typer.Option(help="What carries the level."),
    ] = "standard",
    plant: Annotated[
        str | None,
        typer.Option(help="Where the level of 'planted' sits; default knee_amplitude."),
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """Write a simulated cohort: walks, labels and, in a folder of its own, truth."""
    from cpexplore import pipeline

    for line in pipeline.simulate_to_folder(
        out,
        preset=preset,
        patients=patients,
        seed=seed,
        layout=layout,
        world=world,
        plant=plant,
        n_jobs=jobs,
    ):
        typer.echo(line)


@app.command()
def audit(
    *,
    run: RunPath,
    out: Annotated[
        Path | None,
        typer.Option(help="New CSV; default RUN/statistics/audit.csv, anew."),
    ] = None,
    jobs: Jobs = 1,
) -> None:
    """Test whether the saliency of a run can be trusted."""
    from cpexplore import pipeline
    from cpexplore.runs import load_run

    for line in pipeline.audit_lines(load_run(run), out=out, n_jobs=jobs):
        typer.echo(line)


@app.command()
def check(
    path: Annotated[
        str, typer.Argument(help="A recording, 'sample:NAME' or a cohort folder.")
    ],
    *,
    fps: Fps = None,
    keypoint_set: Keypoints = None,
) -> None:
    """Say what is wrong with an input, and what to do about it."""
    from cpexplore.datasets import inspect_source

    found = inspect_source(path, fps=fps, keypoint_set=keypoint_set)
    for problem in found.problems:
        typer.echo(f"{problem.severity}: {problem.where}: {problem.what} {problem.fix}")
    if any(problem.severity == "error" for problem in found.problems):
        raise typer.Exit(1)
    if found.summary:
        typer.echo(f"{path}: {found.summary}")
    if not found.problems:
        typer.echo(f"{path}: nothing wrong.")


_TOLD = (ValueError, TypeError, KeyError, OSError, ImportError, BrokenExecutor)
"""Errors that are told in a sentence; others are mistakes of ours."""


def main() -> None:
    """Run the command line and turn errors into one sentence and an exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    warnings.showwarning = _show_warning
    try:
        app(args=arguments)
    except _TOLD as error:
        if debug:
            raise
        sys.stderr.write(f"cpexplore: {_as_typed(_sentence(error))}\n")
        sys.exit(2 if isinstance(error, FileExistsError) else 1)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            resumes = "; the same command goes on where it stopped"
            tail = resumes if arguments[:1] == ["run"] else ""
            sys.stderr.write(f"cpexplore: interrupted{tail}.\n")
        raise


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, *_: object
) -> None:
    """Show our own warnings as one line; those of libraries are for developers."""
    if category is UserWarning and "site-packages" not in filename:
        sys.stderr.write(f"cpexplore: warning: {' '.join(str(message).split())}\n")


def _sentence(error: Exception) -> str:
    """The message of an error without the quotes that KeyError adds."""
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, BrokenExecutor):
        return (
            "A process at work was ended from outside, most often because memory ran "
            "out. Start again with fewer `--jobs`; what was finished is kept."
        )
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename!r}."
    return " ".join(str(error).split())


_TYPED = {
    **{"root": "--cohort", "path": "--run", "n_jobs": "--jobs", "walk": "WALK"},
    **{"n_patients": "--patients", "paths": "PATHS", "name": "sample:NAME"},
    **{"keypoint_set": "--keypoint-set", "model": "--model", "plant": "--plant"},
    **{"cohort": "--cohort", "out": "--out", "fps": "--fps", "folds": "--folds"},
}
"""What the user typed for the arguments that errors of the library begin with."""


def _as_typed(sentence: str) -> str:
    """Name the option that was typed where a sentence begins with an argument."""

    def option(match: re.Match[str]) -> str:
        return f"`{_TYPED.get(match[1], match[1])}`"

    return re.sub(r"^`(\w+)`", option, sentence)

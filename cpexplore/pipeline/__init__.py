"""The paper's two steps, end to end and resumable, and the explanation of one walk."""

from cpexplore.pipeline.auditing import audit_lines, audit_run, audit_to_file
from cpexplore.pipeline.commands import (
    explain_to_page,
    features_to_files,
    find_walk,
    load_cohort,
    simulate_to_folder,
)
from cpexplore.pipeline.explaining import explain
from cpexplore.pipeline.records import refuse_other_study
from cpexplore.pipeline.study import run

__all__ = [
    "audit_lines",
    "audit_run",
    "audit_to_file",
    "explain",
    "explain_to_page",
    "features_to_files",
    "find_walk",
    "load_cohort",
    "refuse_other_study",
    "run",
    "simulate_to_folder",
]

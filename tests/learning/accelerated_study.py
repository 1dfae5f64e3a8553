"""Cross-validates the test study; started in two processes by a test."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from conftest import make_study

from cpexplore.learning import cross_validate
from cpexplore.learning.processes import Team

if __name__ == "__main__":
    study = make_study()
    cross_validate(
        study.cohort,
        replace(study.spec, models=("features_logit", "skeleton", "fusion_concat")),
        folds=3,
        features=study.features,
        windows=study.windows,
        out=sys.argv[1],
    )
    team = Team.join()
    print(f"{'first' if team.is_first else 'other'}:{','.join(team.share('012'))}")

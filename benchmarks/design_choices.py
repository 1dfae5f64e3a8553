"""What the default fusion is made of, chosen on cohorts that are reported nowhere else.

    python benchmarks/design_choices.py --out runs/design

Simulated children, 200 on each of three cohorts (seeds 11 to 13): does a fusion gain by
starting from an ordinal logit of the features (or by answering in an ordered way), and
by seeing all features instead of those that the joints, or a lot, choose? Each cohort
is a resumable run of a few minutes.
"""

import argparse
from pathlib import Path

from model_table import Stage, run_stage, summarise

MODELS = (
    "features_ordinal",
    "skeleton",
    "fusion_cross_attention",
    "fusion_no_offset",
    "fusion_selected_features",
    "fusion_random_features",
    "fusion_proportional_odds",
    "fusion_corn",
)

STAGES = tuple(
    Stage(
        world="standard", cohort_seed=seed, patients=200, part="design", models=MODELS
    )
    for seed in (11, 12, 13)
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/design"))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for stage in STAGES:
        run_stage(stage, options.out, n_jobs=options.jobs)
    tables = summarise(options.out, STAGES)
    scores = tables["scores"].query("metric in ('accuracy', 'linear_kappa', 'nll')")
    print(scores[["model", "metric", "estimate", "ci_low", "ci_high"]].round(3))
    one = tables["by_cohort"].query("metric == 'accuracy'")
    both = tables["differences"].query("metric == 'accuracy'")
    columns = ["model_a", "model_b", "estimate", "ci_low", "ci_high"]
    print(both[columns].round(3).to_string(index=False))
    print(one[["cohort_seed", *columns]].round(3).to_string(index=False))


if __name__ == "__main__":
    main()

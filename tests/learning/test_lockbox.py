"""The lock-box: fixed membership, opened once, never shared with the study."""

import re

import numpy as np
import pandas as pd
import pytest

from cpexplore.gmfcs import PROBABILITIES
from cpexplore.learning import cross_validate, load_fold_models, score
from cpexplore.learning.lockbox import lockbox_patients, open_lockbox
from cpexplore.learning.variants import CrossvalSpec


def test_membership_is_a_property_of_the_child():
    everyone = pd.DataFrame({"patient_id": [f"p{i}" for i in range(4000)]})
    locked = lockbox_patients(everyone)
    assert 0.13 < len(locked) / 4000 < 0.17
    some = everyone.iloc[1000:]
    assert lockbox_patients(some) == locked & set(some["patient_id"])
    assert lockbox_patients(everyone, share=0.05) < locked


def test_the_lockbox_is_opened_once(study, tmp_path):
    index = study.cohort.index
    locked = index["patient_id"].isin(lockbox_patients(index, share=0.25))
    outside, inside = (study.cohort.select(index.index[m]) for m in (~locked, locked))
    spec = CrossvalSpec(
        models=("features_logit", "features_ordinal", "skeleton", "fusion_late"),
        backbone=study.spec.backbone,
        fit=study.spec.fit,
    )
    data = {"features": study.features, "windows": study.windows}
    run = cross_validate(outside, spec, folds=2, out=tmp_path, **data)
    assert not set(run.index["patient_id"]) & set(inside.index["patient_id"])
    table = open_lockbox(run, inside, **data)
    assert len(table) == 4 * len(inside)
    accuracy = score(table, n_resamples=20).set_index(["model", "metric"])["estimate"]
    assert accuracy["features_logit", "accuracy"] > 0.7
    one = table[table["model"] == "skeleton"].iloc[0]
    walk = study.windows.of([one["walk_id"]])
    answers = [
        m.predict(walk, study.features.loc[[one["walk_id"]]]).set_index("model")
        for m in load_fold_models(run)
    ]
    columns = list(PROBABILITIES)
    logs = [np.log(a.loc["skeleton", columns].astype(float)) for a in answers]
    mean = np.exp(np.mean(logs, axis=0))
    expected = mean / mean.sum()
    np.testing.assert_allclose(one[columns].astype(float), expected, rtol=1e-5)
    message = (
        f"The lock-box of {str(tmp_path)!r} was opened before; read its answers from "
        "'lockbox.parquet'."
    )
    with pytest.raises(FileExistsError, match=re.escape(message)):
        open_lockbox(run, inside, **data)
    (tmp_path / "lockbox.parquet").unlink()
    with pytest.raises(ValueError, match="Patients must not cross folds"):
        open_lockbox(run, study.cohort, **data)

"""When gene vectors must be made anew."""

from jobs.phase import fingerprint
from jobs.run import PIPELINE
from rnalearner.config import RunConfig, load_recipe


def mark(**options: object) -> str:
    config: RunConfig = load_recipe(None, {name.replace("__", "."): value for name, value in options.items()})
    return fingerprint(PIPELINE["gene2vec"], PIPELINE, config)


def test_covariance_vectors_depend_on_which_studies_are_held_out():
    covariance = {"gene2vec__method": "covariance"}
    assert mark(**covariance, pretrain__seed=1) != mark(**covariance)
    assert mark(**covariance, pretrain__validation_share=0.3) != mark(**covariance)
    assert mark(**covariance, pretrain__max_steps=7) == mark(**covariance)


def test_skip_gram_vectors_do_not():
    assert mark(pretrain__seed=1) == mark()

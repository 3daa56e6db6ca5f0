from rnalearner.benchmark.summary import summarise
from rnalearner.report.benchmark_verdict import benchmark_verdict
from tests.rnalearner.report.toy_benchmark import toy_results, toy_told


def verdict(families: int = 10, **told) -> list[str]:
    return benchmark_verdict(toy_told(families, **told) | summarise(toy_results(families)))


def line(lines: list[str], beginning: str) -> str:
    [found] = [line for line in lines if line.startswith(beginning)]
    return found


def test_a_gain_of_every_family_is_shown_and_one_of_half_of_them_is_not():
    lines = verdict()
    assert "better at k = 1 and 3 (k = 1: +0.1" in line(lines, "The guided encoder against the pretrained")
    nothing = line(lines, "The pretrained encoder against the encoder without pretraining")
    assert ": not told apart at k = 1 and 3 (" in nothing


def test_the_encoder_is_set_against_the_linear_rival_and_a_loss_is_called_one():
    lost = line(verdict(), "The guided encoder against LR-L1 (C = 10)")
    assert ": worse at k = 1 and 3 (k = 1: −0.05" in lost


def test_the_strongest_rival_is_named_as_picked():
    told = line(verdict(), "Strongest linear arm without a guide")
    assert "picked here and so flattered: k = 1: LR-L1 (C = 10), centred, 0.7" in told


def test_few_families_are_said_to_be_few():
    assert "too narrow" not in verdict()[0]
    assert "With 4 families an interval is too narrow" in verdict(4)[0]
    assert "one of 8 comparisons" in verdict(4)[0]


def test_it_counts_what_chance_alone_would_show():
    told = verdict()[-1]
    assert told.startswith("12 of 14 differences")
    assert "about 1 would have one by chance" in told


def test_one_family_has_no_interval_and_shows_nothing():
    lines = verdict(1)
    assert lines[0].startswith("Compared were k = 1: 1 task of 1 family; k = 3")
    assert "nothing is shown" in lines[0]
    told = line(lines, "The guided encoder against the pretrained")
    assert "not told apart at k = 1 and 3" in told
    assert "[" not in told

import torch

from rnalearner.model.embedding import embedded, picked


def gradients(function, *leaves):
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    out = function(*leaves)
    weight = torch.arange(out.numel(), dtype=out.dtype).view(out.shape)
    return [out.detach(), *torch.autograd.grad((out * weight).sum(), leaves)]


def test_rows_of_a_table_and_their_gradient_are_torchs_own():
    table_td = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    index = torch.tensor([[0, 6, 6], [2, 0, 6]])  # one thrice, some never
    ours = gradients(lambda table: embedded(table, index), table_td)
    theirs = gradients(lambda table: torch.nn.functional.embedding(index, table), table_td)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_picked_positions_and_their_gradient_are_those_of_indexing():
    hidden_nld = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    sample_m, position_m = torch.tensor([0, 1, 1]), torch.tensor([4, 0, 4])
    ours = gradients(lambda hidden: picked(hidden, sample_m, position_m), hidden_nld)
    theirs = gradients(lambda hidden: hidden[sample_m, position_m], hidden_nld)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)

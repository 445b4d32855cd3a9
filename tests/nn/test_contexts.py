"""Every attention where PyTorch users put it: bfloat16, compiled, float64, gradients checked."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from axialcast.nn import (
    AutoregressiveAxialTransformer,
    AxialAttention,
    AxialTransformer,
    CrissCrossAttention,
    PositionSensitiveAxialAttention,
    kernels,
)
from axialcast.nn.papers import position_sensitive


class Drawn(nn.Module):
    """The autoregressive model as a function of numbers: its values are fixed, x is added."""

    def __init__(self) -> None:
        super().__init__()
        self.model = AutoregressiveAxialTransformer(6, (3, 5), 4, num_channels=2, heads=2)
        self.values = torch.randint(4, (1, 2, 3, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(self.values) * x.mean()


class Masked(AxialAttention):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, torch.arange(x[..., 0].numel()).view(x.shape[:-1]) % 3 > 0)


def attention(kind: type[AxialAttention] = AxialAttention, **options: object) -> nn.Module:
    return kind(6, 2, 3, **options)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "plain": attention,
    "masked": lambda: attention(Masked),
    "causal": lambda: attention(causal=(True, False)),
    "window": lambda: attention(span=(3, 3), periodic=(False, True)),
    "window, masked": lambda: attention(Masked, span=(3, 3), periodic=(False, True)),
    "dropout": lambda: attention(dropout=0.3),
    "query-key norm": lambda: attention(qk_norm=True),
    "rotary": lambda: attention(position="rotary", periodic=(False, True)),
    "relative": lambda: attention(position="relative", shape=(3, 4), causal=(True, False)),
    "added": lambda: attention(position=("learned", "sinusoidal"), shape=(3, 5)),
    "position-sensitive": lambda: PositionSensitiveAxialAttention(6, (3, 9), heads=3),
    "criss-cross": lambda: CrissCrossAttention(6, dim_index=-1),
    "transformer": lambda: AxialTransformer(
        6, 2, num_dimensions=2, heads=3, shape=(3, 5), dropout=0.3
    ),
    "autoregressive": Drawn,
}
SEQUENCES = ("transformer", "autoregressive")
BREAKS = (*SEQUENCES, "criss-cross")


def made(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    module = MODULES[name]()
    for parameter in module.parameters():
        if parameter.ndim < 2 or "relative" in name:
            nn.init.normal_(parameter)
    return module, torch.randn(2, 3, 5, 6)


def results(call: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    torch.manual_seed(1)
    out = call(x)
    grads = torch.autograd.grad(out.square().mean(), [x, *module.parameters()])
    return [out, *grads]


@pytest.fixture(params=[False, True], ids=["short", "long"])
def long_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows as they are, and rows taken for long ones."""
    if request.param:
        monkeypatch.setattr(position_sensitive, "FLASH_LENGTH", 1)
        for name, value in {"FLASH_LENGTH": 1, "QUERIES": 2, "SCORES": 40}.items():
            monkeypatch.setattr(kernels, name, value)


@pytest.mark.usefixtures("long_rows")
@pytest.mark.parametrize("name", MODULES)
def test_autocast(name: str) -> None:
    """Products in bfloat16: values and gradients to its precision, gradients in float32."""
    module, x = made(name)
    module.eval()  # another precision draws other numbers
    want = results(module, module, x)
    with torch.autocast("cpu", torch.bfloat16):
        got = results(module, module, x)
    for value, other in zip(want, got, strict=True):
        assert (other - value).norm() <= 0.05 * value.norm() + 1e-3
    assert all(grad.dtype == torch.float32 for grad in got[1:])


@pytest.mark.usefixtures("long_rows")
@pytest.mark.parametrize("name", MODULES)
def test_gradients_by_differences(name: str) -> None:
    module, x = made(name)
    module.double().eval()
    names, parameters = zip(*module.named_parameters(), strict=True)

    def call(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    inputs = [t.detach().double().requires_grad_() for t in (x, *parameters)]
    if name in SEQUENCES:  # their backward pass takes the parameters that modules hold
        call, inputs = module, inputs[:1]
    assert torch.autograd.gradcheck(call, inputs, fast_mode=True)


@pytest.mark.filterwarnings("ignore")  # what the compiler says of itself
@pytest.mark.parametrize("name", MODULES)
def test_compiled(name: str) -> None:
    """One graph, but for reversible sequences and criss-cross sums, at which it breaks."""
    module, x = made(name)
    module.double()
    if name != "dropout":
        module.eval()
    x = x.double()
    want = results(module, module, x)
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=name not in BREAKS)
    for value, other in zip(want, results(compiled, module, x), strict=True):
        if name != "dropout":
            torch.testing.assert_close(other, value, rtol=1e-9, atol=1e-10)

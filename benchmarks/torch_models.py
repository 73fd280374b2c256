"""The benchmark's models as one writes them in PyTorch; `model.loss(rows)` draws its own masks."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

MASKED = 0.5


def build(family: str, width: int, vocabulary: int, positions: int) -> nn.Module:
    if family == "transformer":
        return Transformer(width, vocabulary, positions)
    return {"mlp": Autoencoder, "resnet": ResNet}[family](width)


def step_flops(model: nn.Module, rows: torch.Tensor) -> int:
    """Operations of the matrix products and convolutions of one training step, forward and back."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # of fused attention it counts none
        model.loss(rows).backward()
    return counter.get_total_flops()


class Autoencoder(nn.Module):
    """64-w-w-8-w-w-64 with RMSNorm and GELU; mean squared error."""

    def __init__(self, width: int):
        super().__init__()

        def block(a: int, b: int) -> list[nn.Module]:
            return [nn.Linear(a, b), nn.RMSNorm(b, eps=1e-6), nn.GELU(approximate="tanh")]

        encoder = [*block(64, width), *block(width, width), nn.Linear(width, 8)]
        self.stack = nn.Sequential(*encoder, *block(8, width), *block(width, width), nn.Linear(width, 64))

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(self.stack(rows), rows)


class ResNet(nn.Module):
    """Two pre-activation blocks on 4 x 4 squares of 2 x 2 pixels; squared error of the squares that are masked."""

    def __init__(self, width: int):
        super().__init__()

        def half() -> list[nn.Module]:
            convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
            return [nn.GroupNorm(width // 4, width), nn.GELU(approximate="tanh"), convolution]

        self.embed = nn.Conv2d(2, width, 2, stride=2)
        self.place = nn.Parameter(0.02 * torch.randn(width, 4, 4))
        self.blocks = nn.ModuleList([nn.Sequential(*half(), *half()) for _ in range(2)])
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[n, 2, 8, 8] -> [n, 1, 8, 8]."""
        x = self.embed(images) + self.place
        for block in self.blocks:
            x = x + block(x)
        return F.pixel_shuffle(self.head(self.norm(x.movedim(1, -1))).movedim(-1, 1), 2)

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        images = rows.view(-1, 1, 8, 8)
        squares = (torch.rand(len(rows), 1, 4, 4, device=rows.device) < MASKED).float()
        hidden = F.interpolate(squares, scale_factor=2)
        error = (self(torch.cat([images * (1 - hidden), 1 - hidden], 1)) - images) ** 2
        return ((error * hidden).sum((1, 2, 3)) / hidden.sum((1, 2, 3)).clamp(min=1)).mean()


class Transformer(nn.Module):
    """Two pre-norm blocks, bidirectional, heads of 8; cross-entropy of the tokens that are masked."""

    def __init__(self, width: int, vocabulary: int, positions: int):
        super().__init__()
        self.table = nn.Embedding(vocabulary + 1, width)
        self.place = nn.Parameter(0.02 * torch.randn(positions, width))
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.head = nn.Linear(width, vocabulary)
        self.mask = vocabulary

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[n, positions] -> [n, positions, vocabulary]."""
        x = self.table(tokens) + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        hidden = torch.rand(rows.shape, device=rows.device) < MASKED
        logits = self(rows.masked_fill(hidden, self.mask))
        error = F.cross_entropy(logits.flatten(0, 1), rows.flatten(), reduction="none").view(rows.shape)
        return ((error * hidden).sum(1) / hidden.sum(1).clamp(min=1)).mean()


class Block(nn.Module):
    """Attention and a perceptron of four times the width."""

    def __init__(self, width: int):
        super().__init__()
        self.norms = nn.ModuleList([nn.RMSNorm(width, eps=1e-6) for _ in range(2)])
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.queries_keys_values(self.norms[0](x)).unflatten(-1, (3, -1, 8)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norms[1](x)), approximate="tanh"))

"""Axial attention on PyTorch and einops alone: drop-ins for `axial_attention`, and beyond."""

from axialcast.nn.attention import AxialAttention, SelfAttention
from axialcast.nn.position import AxialPositionalEmbedding, AxialSinusoidalEmbedding
from axialcast.nn.reversible import ReversibleBlock, ReversibleSequence
from axialcast.nn.transformer import AxialImageTransformer, AxialTransformer

__all__ = [
    "AxialAttention",
    "AxialImageTransformer",
    "AxialPositionalEmbedding",
    "AxialSinusoidalEmbedding",
    "AxialTransformer",
    "ReversibleBlock",
    "ReversibleSequence",
    "SelfAttention",
]

"""Axial attention on PyTorch and einops alone: drop-ins for `axial_attention`, and beyond."""

from axialcast.nn.attention import AxialAttention
from axialcast.nn.autoregressive import AutoregressiveAxialTransformer
from axialcast.nn.criss_cross import CrissCrossAttention
from axialcast.nn.position import AxialPositionalEmbedding, AxialSinusoidalEmbedding
from axialcast.nn.position_sensitive import (
    PositionSensitiveAttention,
    PositionSensitiveAxialAttention,
)
from axialcast.nn.reversible import ReversibleBlock, ReversibleSequence
from axialcast.nn.self_attention import SelfAttention
from axialcast.nn.transformer import AxialImageTransformer, AxialTransformer

__all__ = [
    "AutoregressiveAxialTransformer",
    "AxialAttention",
    "AxialImageTransformer",
    "AxialPositionalEmbedding",
    "AxialSinusoidalEmbedding",
    "AxialTransformer",
    "CrissCrossAttention",
    "PositionSensitiveAttention",
    "PositionSensitiveAxialAttention",
    "ReversibleBlock",
    "ReversibleSequence",
    "SelfAttention",
]

"""Axial attention on PyTorch and einops alone: drop-ins for `axial_attention`, and beyond."""

from axialcast.nn.attention import AxialAttention
from axialcast.nn.listening import attention_weights
from axialcast.nn.papers.autoregressive import AutoregressiveAxialTransformer
from axialcast.nn.papers.criss_cross import CrissCrossAttention
from axialcast.nn.papers.position_sensitive import (
    PositionSensitiveAttention,
    PositionSensitiveAxialAttention,
)
from axialcast.nn.position import AxialPositionalEmbedding, AxialSinusoidalEmbedding
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
    "attention_weights",
]

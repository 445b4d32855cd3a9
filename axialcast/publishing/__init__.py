"""Checkpoints for others: on the Hugging Face hub, with a card that says what they are."""

from axialcast.publishing.card import model_card
from axialcast.publishing.push import push

__all__ = ["model_card", "push"]

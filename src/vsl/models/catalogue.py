"""The models that ship with VSL: what the registry says about them, and where they live."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsl.domain.media import MediaType


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """One model that runs on this machine without anything being downloaded.

    folder: its Cog project. estimated_time_seconds: of one prediction with default input.
    port: where its server listens when the port is free. schema: the JSON Schema of its input.
    """

    model_id: str
    media_type: MediaType
    folder: Path
    description: str
    estimated_time_seconds: int
    port: int
    schema: Mapping[str, Any] = field(repr=False)


def _shipped(
    name: str, media_type: MediaType, port: int, estimated_time_seconds: int, description: str
) -> ShippedModel:
    folder = Path(__file__).parent / name
    return ShippedModel(
        model_id=f"vsl-{name}",
        media_type=media_type,
        folder=folder,
        description=description,
        estimated_time_seconds=estimated_time_seconds,
        port=port,
        schema=json.loads((folder / "schema.json").read_text("utf-8")),
    )


SHIPPED: tuple[ShippedModel, ...] = (
    _shipped(
        "speech",
        "audio",
        5391,
        1,
        "Reads English text aloud with a small neural voice (hibari-tts); WAV, 24 kHz",
    ),
    _shipped(
        "image",
        "image",
        5392,
        1,
        "Procedural art from prompt and seed, not a neural network; PNG, WebP or JPEG",
    ),
    _shipped(
        "video",
        "video",
        5393,
        3,
        "Procedural animation from prompt and seed, not a neural network; MP4 (H.264)",
    ),
)

"""A neural voice that reads English text aloud: the speech model that ships with VSL."""

import secrets
import tempfile
from pathlib import Path as LocalPath
from typing import Optional

from cog import BaseRunner, Input, Path
from hibari import Hibari

# The only voice whose weights are in the package; every other one would be a download.
VOICE = "heart"


class Runner(BaseRunner):
    """Reads a prompt aloud with hibari-tts, a small neural text-to-speech model.

    The answer is a WAV file: 16 bits, one channel, 24,000 samples a second.
    """

    def setup(self) -> None:
        """Load the voice, and speak once so that the first listener does not wait for it."""
        self.voice = Hibari(voice=VOICE)
        self.voice("Ready.", seed=0)
        self.scratch = tempfile.TemporaryDirectory(prefix="speech-")

    def run(
        self,
        prompt: str = Input(
            description="The text to speak, in English", min_length=1, max_length=4000
        ),
        speed: float = Input(
            description="The pace: 1 is the voice's own, 2 is twice as fast",
            default=1.0,
            ge=0.5,
            le=2.0,
        ),
        seed: Optional[int] = Input(  # noqa: UP045 - the form that every Cog version reads
            description="The same prompt, speed and seed give the same file; left out: any",
            default=None,
            ge=0,
            le=4294967295,
        ),
    ) -> Path:
        """Speak the prompt and give back the recording."""
        chosen = secrets.randbelow(2**32) if seed is None else seed
        self.record_metric("seed", chosen)
        # The server reads the file after we return, so it can only be removed the next time.
        target = LocalPath(self.scratch.name) / "speech.wav"
        target.unlink(missing_ok=True)
        if not self.voice.phonemize(prompt):
            raise ValueError("the prompt holds nothing that can be spoken")
        self.voice.save(prompt, str(target), speed=speed, seed=chosen)
        return Path(target)

"""Moving pictures made by arithmetic: a journey along ridges, and currents of bent noise.

A frame is drawn as one plane of levels in 0 (the palette's darkest colour) .. 1 (its lightest)
and coloured once at the end, which is what makes it fast enough for one core. Noise is a square
texture that repeats without a seam, read at moving places. Lengths are in picture heights.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

SIDE = 1024  # of a noise texture; a power of two, so that wrapping around is one "and"

# Five stops each, from the darkest to the lightest, and the words that ask for them.
PALETTES = {
    "#140a1f #51204b #b03a4c #f0884c #fddb9b": "sunset sunrise fire ember lava autumn flame warm",
    "#04121c #0c3b58 #16808f #74cdbf #f0f7e4": "ocean sea lake river water wave harbour coast fish",
    "#07130d #17402e #46845d #b0c98a #f6f0cd": "forest tree garden meadow spring green leaf valley",
    "#0c0a24 #2f2066 #8042a6 #e682b4 #ffdfc7": "dusk dream neon violet magic music city evening",
    "#091322 #1e4068 #5d92bc #b8d8e9 #f8fcff": "ice snow winter frost glacier cold fog mist cloud",
    "#1d0e1b #5e2447 #bc526c #f4a68e #feeed6": "dawn rose pink flower blossom cherry morning",
    "#1f0f0a #6d2e1b #bd6330 #ebad5e #faeac4": "desert sand dune canyon gold summer savanna",
    "#04060f #0e1c3c #2a477e #7288ba #e6e8f4": "night moon star space galaxy dark midnight cosmos",
}
MOTIFS = {
    "horizon": "mountain lake sea ocean hill valley forest sunset sunrise dawn dusk landscape "
    "island river coast desert dune horizon harbour sky snow field moon journey travel",
    "currents": "wind silk flow dance music smoke abstract space nebula galaxy dream cosmos ink "
    "fire lava marble liquid wave current jazz song universe",
}


class Scene(Protocol):
    """Something that can be drawn at any moment."""

    def frame(self, moment: float) -> NDArray[np.uint8]:
        """The picture, shape (height, width, 3), ``moment`` seconds after the start."""


def choose(prompt: str, style: str, width: int, height: int, seed: int) -> Scene:
    """The scene for a prompt; the same arguments give the same frames."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:16], "big")])
    colours = _palette(_pick(prompt, PALETTES, rng).split())
    motif = _pick(prompt, MOTIFS, rng) if style == "auto" else style
    if motif == "horizon":
        return Horizon(width, height, colours, rng)
    return Currents(width, height, colours, rng)


def _pick(prompt: str, words: dict[str, str], rng: np.random.Generator) -> str:
    """The key with the most words of the prompt (plurals count), or any when none is there."""
    spoken = {word.removesuffix("s") for word in re.findall(r"[a-z]+", prompt.lower())}
    drawn = list(words)[int(rng.integers(len(words)))]
    scores = {
        key: len(spoken & {word.removesuffix("s") for word in listed.split()})
        for key, listed in words.items()
    }
    best = max(scores.values())
    if best == 0 or scores[drawn] == best:
        return drawn
    return next(key for key, score in scores.items() if score == best)


def _palette(stops: list[str]) -> NDArray[np.uint8]:
    """A table of 2,048 colours through the stops, smooth at each of them."""
    rgb = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops])
    place = np.linspace(0.0, len(stops) - 1.0, 2048)
    left = np.minimum(place.astype(int), len(stops) - 2)
    part = place - left
    part = (0.5 * part + 0.5 * part * part * (3.0 - 2.0 * part))[:, None]
    result: NDArray[np.uint8] = (rgb[left] * (1.0 - part) + rgb[left + 1] * part + 0.5).astype(
        np.uint8
    )
    return result


def _smooth(low: float, high: float, value: Array) -> Array:
    """0 below ``low``, 1 above ``high``, an S-curve between; ``low`` may be the larger."""
    part = np.clip((value - low) * (1.0 / (high - low)), 0.0, 1.0)
    result: Array = part * part * (3.0 - 2.0 * part)
    return result


def _texture(rng: np.random.Generator, power: float, low_cut: float = 1.0) -> Array:
    """Seamless noise, standard deviation 1, whose strength falls with frequency ** power."""
    fy = np.fft.fftfreq(SIDE)[:, None] * SIDE
    fx = np.fft.rfftfreq(SIDE)[None, :] * SIDE
    frequency = np.hypot(fx, fy)
    strength = np.maximum(frequency, 1.0) ** -power * (frequency >= low_cut)
    spectrum = strength * np.exp(2j * np.pi * rng.random(strength.shape))
    noise = np.fft.irfft2(spectrum, (SIDE, SIDE))
    result: Array = (noise / noise.std()).astype(np.float32)
    return result


def _read(texture: Array, x: Array, y: Array) -> Array:
    """The texture at places (in texels, wrapping around), blended among four texels."""
    flat = texture.ravel()
    cell_x, cell_y = np.floor(x), np.floor(y)
    u, v = x - cell_x, y - cell_y
    left, top = cell_x.astype(np.int32) & (SIDE - 1), (cell_y.astype(np.int32) & (SIDE - 1)) * SIDE
    right = (left + 1) & (SIDE - 1)
    below = (top + SIDE) & (SIDE * SIDE - 1)
    first, second = flat.take(top + left), flat.take(below + left)
    upper = first + (flat.take(top + right) - first) * u
    lower = second + (flat.take(below + right) - second) * u
    return upper + (lower - upper) * v


class _Plane:
    """What both scenes share: the grid, the finish and the colours."""

    def __init__(
        self, width: int, height: int, colours: NDArray[np.uint8], rng: np.random.Generator
    ) -> None:
        self.rows, self.columns, self.aspect = height, width, width / height
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / height)[None, :]
        self.y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
        self._colours = colours
        away = (self.x / self.aspect - 0.5) ** 2 + (self.y - 0.5) ** 2
        self._corners = (1.0 - 0.30 * away).astype(np.float32)
        # Half a step of fixed dither: it breaks up bands, and costs the encoder little.
        self._dither = rng.uniform(-0.0025, 0.0025, (height, width)).astype(np.float32)

    def finish(self, level: Array) -> NDArray[np.uint8]:
        """Darken the corners, dither, and look the colours up."""
        shown = np.clip((level * self._corners + self._dither) * 2047.0, 0.0, 2047.0)
        result: NDArray[np.uint8] = self._colours[shown.astype(np.int16)]
        return result


class Currents(_Plane):
    """Noise whose coordinates are bent by moving noise, like ink in slow water."""

    def __init__(
        self, width: int, height: int, colours: NDArray[np.uint8], rng: np.random.Generator
    ) -> None:
        super().__init__(width, height, colours, rng)
        self._broad = _texture(rng, 2.6, low_cut=3.0)
        self._cross = _texture(rng, 2.6, low_cut=3.0)
        self._fine = _texture(rng, 2.3, low_cut=4.0)
        turn = float(rng.uniform(0.0, 2.0 * np.pi))
        self._heading = (np.cos(turn), np.sin(turn))
        self._gx = np.broadcast_to(self.x * 330.0, (height, width))
        self._gy = np.broadcast_to(self.y * 330.0, (height, width))

    def frame(self, moment: float) -> NDArray[np.uint8]:
        """See ``Scene``."""
        drift = moment * 22.0
        dx, dy = drift * self._heading[0], drift * self._heading[1]
        bend_x = _read(self._broad, self._gx + dx, self._gy + dy)
        bend_y = _read(self._cross, self._gx - dy, self._gy + dx)
        body = _read(
            self._fine,
            self._gx * 0.8 + 74.0 * bend_x - dx * 0.6,
            self._gy * 0.8 + 74.0 * bend_y - dy * 0.6,
        )
        folds = np.abs(bend_x - bend_y)
        shine = _smooth(0.50, 0.0, np.abs(body - 0.4 * bend_x))
        return self.finish(0.30 + 0.15 * body + 0.11 * bend_x + 0.07 * folds + 0.20 * shine)


class Horizon(_Plane):
    """A journey along ridges in the haze: near ones pass quickly, the sun climbs slowly."""

    LAYERS = 5

    def __init__(
        self, width: int, height: int, colours: NDArray[np.uint8], rng: np.random.Generator
    ) -> None:
        super().__init__(width, height, colours, rng)
        self._clouds = _texture(rng, 1.75, low_cut=4.0)
        self._waves = _texture(rng, 1.3, low_cut=6.0)
        self._skyline = float(rng.uniform(0.50, 0.58))
        self._sun = (
            float(rng.uniform(0.3, 0.7)) * self.aspect,
            self._skyline - float(rng.uniform(0.05, 0.14)),
            float(rng.uniform(0.045, 0.07)),
        )
        self._ridges = [_ridge(rng, (layer + 1) / self.LAYERS) for layer in range(self.LAYERS)]
        self._shore = self._skyline + 0.27 if rng.random() < 0.7 else 1.0
        star_level = rng.random((height, width)).astype(np.float32)
        self._stars = _smooth(0.9975, 1.0, star_level) * _smooth(0.4, 0.0, self.y) * 0.5
        self._gx = np.broadcast_to(self.x * 190.0, (height, width))
        self._gy = np.broadcast_to(self.y * 620.0, (height, width))

    def frame(self, moment: float) -> NDArray[np.uint8]:
        """See ``Scene``."""
        sun_x, start, radius = self._sun
        sun_y = start - 0.022 * moment
        level = self._sky(moment, sun_x, sun_y, radius)
        for number, crest in enumerate(self._ridges):
            self._cover(level, crest, (number + 1) / self.LAYERS, moment)
        if self._shore < 1.0:
            self._reflect(level, moment, sun_x)
        return self.finish(level)

    def _sky(self, moment: float, sun_x: float, sun_y: float, radius: float) -> Array:
        away = np.sqrt((self.x - sun_x) ** 2 + (self.y - sun_y) ** 2)
        glow = np.exp(away * -2.6)
        level = 0.26 + 0.44 * np.clip(self.y / self._skyline, 0.0, 1.0) ** 1.3 + 0.26 * glow
        level += self._stars * (1.0 - glow)
        top = int(self.rows * min(1.0, self._skyline + 0.08))
        veil = _read(self._clouds, self._gx[:top] + moment * 13.0, self._gy[:top])
        cover = _smooth(0.15, 1.9, veil) * _smooth(-0.05, 0.3, self.y[:top])
        level[:top] += cover * (0.80 + 0.22 * glow[:top] - level[:top]) * 0.85
        halo = 0.5 * np.exp(np.maximum(away - radius, 0.0) * -11.0)
        disc = np.maximum(halo, _smooth(radius + 0.004, radius - 0.004, away))
        return (level + (1.0 - level) * disc).astype(np.float32)

    def _cover(self, level: Array, crest: Array, depth: float, moment: float) -> None:
        """Draw one ridge over the picture, in place; depth 0 is far away, 1 is at our feet."""
        place = (self.x[0] + moment * (0.015 + 0.16 * depth**2)) * 512.0
        low = np.floor(place).astype(np.int32)
        part = place - low
        size = len(crest)
        height = crest[low % size] * (1.0 - part) + crest[(low + 1) % size] * part
        line = self._skyline + 0.43 * depth**1.6 - 0.03 - height
        top = max(0, int(line.min() * self.rows) - 2)
        below = self.y[top:] - line[None, :]
        body = 0.03 + 0.50 * (1.0 - depth) ** 1.1
        mist = np.clip(below * 3.4, 0.0, 1.0) * (0.55 - 0.48 * depth)
        edge = 0.8 / self.rows
        shade = body + (0.80 - body) * mist
        level[top:] += (shade - level[top:]) * _smooth(-edge, edge, below)

    def _reflect(self, level: Array, moment: float, sun_x: float) -> None:
        """Turn everything below the shore into water, in place."""
        first = int(self._shore * self.rows)
        depth = self.y[first:] - self._shore
        near = depth / (1.0 - self._shore)
        far = np.log(np.maximum(depth, 0.0) + 0.02) * 210.0
        across = self._gx[first:] * (1.25 - 0.5 * near)
        ripple = _read(self._waves, across + moment * 9.0, far + moment * 16.0)
        source_y = (self._shore - depth * 1.2 + 0.016 * ripple * near) * self.rows
        source_x = self.x * self.rows + 0.02 * self.rows * ripple * near
        rows = np.clip(source_y, 0, first - 1).astype(np.int32)
        columns = np.clip(source_x, 0, self.columns - 1).astype(np.int32)
        path = np.exp(-(((self.x - sun_x) / (0.05 + 0.25 * near)) ** 2))
        glint = _smooth(0.9, 2.2, ripple) * (0.12 + 0.5 * path)
        mirror = level[rows, columns] * (0.92 - 0.22 * near)
        level[first:] = mirror + (0.92 - mirror) * glint


def _ridge(rng: np.random.Generator, depth: float) -> Array:
    """Heights along a ridge, 512 samples for each picture height, repeating without a seam."""
    size = 16384
    frequency = np.fft.rfftfreq(size) * size
    strength = np.where(frequency >= 6, np.maximum(frequency, 1.0) ** -(1.15 + 0.45 * depth), 0.0)
    shape = np.fft.irfft(strength * np.exp(2j * np.pi * rng.random(len(frequency))), size)
    shape /= shape.std()
    heights = (0.05 + 0.05 * depth) * (0.62 * shape - 0.45 * np.abs(shape) * (1.0 - depth))
    if depth > 0.7:  # the nearest ones carry trees
        for spacing in (7, 11, 17):
            tall = rng.uniform(0.1, 1.0, size // spacing + 1).astype(np.float32)
            place = np.arange(size) / spacing
            spire = np.maximum(0.0, 0.5 - np.abs(place % 1.0 - 0.5) * 1.1)
            heights = np.maximum(heights, heights + 0.06 * depth * spire * tall[place.astype(int)])
    return heights.astype(np.float32)

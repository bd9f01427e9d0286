"""Pictures made by arithmetic: layered ridges, flowing strokes, and clouds of warped noise.

Colours are arrays of floats in 0..1, shape (height, width, 3). Lengths are in picture heights:
y runs from 0 (top) to 1 (bottom), x from 0 to width / height, so a motif keeps its shape at
every size.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Five stops each, from the darkest to the lightest.
PALETTES = {
    "ember": ("#12081c", "#4a1942", "#a3324d", "#ee7f4b", "#fcd99a"),
    "ocean": ("#051420", "#0b3954", "#14788a", "#6cc7bb", "#eef6e2"),
    "forest": ("#08150f", "#173f2d", "#43805a", "#a9c483", "#f5efcb"),
    "dusk": ("#0d0b26", "#2e1f64", "#7a3fa0", "#e27fb1", "#ffdcc4"),
    "ice": ("#0a1424", "#1e3f66", "#5a8fba", "#b4d6e8", "#f7fbff"),
    "rose": ("#1e0f1c", "#5c2346", "#b8506b", "#f2a38c", "#fdebd3"),
    "desert": ("#20100b", "#6b2d1a", "#b9602f", "#e8a95b", "#f9e7c0"),
    "night": ("#04060f", "#0d1b3a", "#28447a", "#6f87b8", "#e4e6f2"),
}
PALETTE_WORDS = {
    "ember": "sunset sunrise fire ember lava autumn volcano flame red warm",
    "ocean": "ocean sea lake river water wave harbour harbor lighthouse coast island fish blue",
    "forest": "forest tree wood jungle garden meadow spring green moss leaf valley",
    "dusk": "dusk dream neon violet purple magic music synth city evening",
    "ice": "ice snow winter frost glacier arctic cold mountain fog mist cloud",
    "rose": "dawn rose pink flower love blossom cherry skin portrait morning",
    "desert": "desert sand dune canyon gold summer savanna clay bread coffee",
    "night": "night moon star space galaxy dark midnight universe cosmos",
}
STYLE_WORDS = {
    "landscape": "mountain lake sea ocean hill valley forest sunset sunrise dawn dusk landscape "
    "island river coast desert dune horizon lighthouse harbour harbor sky snow field moon",
    "flow": "wind silk flow river dance music hair smoke wave abstract line movement jazz song",
    "nebula": "space nebula galaxy star cosmos dream cloud universe marble ink fire lava abstract",
}


def paint(prompt: str, style: str, width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """A picture of shape (height, width, 3); the same arguments give the same picture."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng([seed, int.from_bytes(digest[:16], "big")])
    colours = palette(PALETTES[_pick(prompt, PALETTE_WORDS, rng)])
    motif = _pick(prompt, STYLE_WORDS, rng) if style == "auto" else style
    x, y = np.meshgrid(
        (np.arange(width, dtype=np.float32) + 0.5) / height,
        (np.arange(height, dtype=np.float32) + 0.5) / height,
    )
    painter = {"landscape": landscape, "flow": flow, "nebula": nebula}[motif]
    return _develop(painter(x, y, colours, rng), x, y, rng)


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


def _develop(picture: Array, x: Array, y: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Darken the corners, add fine grain (it also hides bands), and round to bytes."""
    aspect = float(x[0, -1])
    away = ((x / aspect - 0.5) ** 2 + (y - 0.5) ** 2)[..., None]
    grain = rng.normal(0.0, 0.011, picture.shape[:2]).astype(np.float32)[..., None]
    shown = picture * (1.0 - 0.42 * away) + grain
    return (np.clip(shown, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


# --- colour ---------------------------------------------------------------------------------


def palette(stops: tuple[str, ...]) -> Array:
    """A table of 1,024 colours through the stops, smooth at each of them."""
    rgb = np.array([[int(s[i : i + 2], 16) / 255 for i in (1, 3, 5)] for s in stops])
    place = np.linspace(0.0, len(stops) - 1.0, 1024)
    left = np.minimum(place.astype(int), len(stops) - 2)
    part = place - left
    part = (0.5 * part + 0.5 * part * part * (3.0 - 2.0 * part))[:, None]
    result: Array = (rgb[left] * (1.0 - part) + rgb[left + 1] * part).astype(np.float32)
    return result


def colour(table: Array, level: Array | float) -> Array:
    """The colours of levels in 0 (darkest) .. 1 (lightest)."""
    index = np.clip(np.asarray(level, np.float32) * 1023.0, 0.0, 1023.0).astype(np.int32)
    result: Array = table[index]
    return result


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """``first`` where the share is 0, ``second`` where it is 1."""
    return first + (second - first) * np.asarray(share, np.float32)


def smooth(low: float, high: float, value: Array) -> Array:
    """0 below ``low``, 1 above ``high``, an S-curve between; ``low`` may be the larger."""
    part = np.clip((value - low) / (high - low), 0.0, 1.0)
    result: Array = part * part * (3.0 - 2.0 * part)
    return result


# --- noise ----------------------------------------------------------------------------------


class Noise:
    """Gradient noise over the plane, about -0.7 .. 0.7, one pattern per generator state."""

    def __init__(self, rng: np.random.Generator) -> None:
        order = rng.permutation(256).astype(np.int32)
        self._order = np.concatenate([order, order])
        angle = rng.uniform(0.0, 2.0 * np.pi, 256)
        self._gx = np.cos(angle).astype(np.float32)
        self._gy = np.sin(angle).astype(np.float32)

    def at(self, x: Array, y: Array) -> Array:
        """One octave at the given points."""
        cell_x, cell_y = np.floor(x), np.floor(y)
        fx, fy = x - cell_x, y - cell_y
        ix, iy = cell_x.astype(np.int32) & 255, cell_y.astype(np.int32) & 255
        near, far = self._order[ix], self._order[ix + 1]
        u = fx * fx * fx * (fx * (fx * 6.0 - 15.0) + 10.0)
        v = fy * fy * fy * (fy * (fy * 6.0 - 15.0) + 10.0)
        top = mix(self._dot(near + iy, fx, fy), self._dot(far + iy, fx - 1.0, fy), u)
        below = mix(
            self._dot(near + iy + 1, fx, fy - 1.0), self._dot(far + iy + 1, fx - 1.0, fy - 1.0), u
        )
        return mix(top, below, v)

    def _dot(self, index: NDArray[np.int32], dx: Array, dy: Array) -> Array:
        corner = self._order[index]
        result: Array = self._gx[corner] * dx + self._gy[corner] * dy
        return result

    def sum(self, x: Array, y: Array, octaves: int, gain: float = 0.5) -> Array:
        """Several octaves, each twice as fine and ``gain`` times as strong as the one before."""
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        strength, scale = 1.0, 1.0
        for octave in range(octaves):
            shift = 19.7 * octave
            total += np.float32(strength) * self.at(x * scale + shift, y * scale - shift)
            strength, scale = strength * gain, scale * 2.0
        return total


# --- motifs ---------------------------------------------------------------------------------


def landscape(x: Array, y: Array, table: Array, rng: np.random.Generator) -> Array:
    """Ridges behind one another in the haze, a low sun or moon, and sometimes a lake."""
    noise = Noise(rng)
    aspect = float(x[0, -1])
    horizon = float(rng.uniform(0.52, 0.62))
    sun_x, sun_y = float(rng.uniform(0.25, 0.75)) * aspect, horizon - float(rng.uniform(0.1, 0.3))
    picture = _sky(x, y, table, noise, (sun_x, sun_y, horizon), rng)
    layers = int(rng.integers(5, 7))
    haze = colour(table, 0.86)
    for layer in range(layers):
        depth = (layer + 1) / layers
        picture = _ridge(picture, x, y, table, noise, haze, horizon, depth)
    if rng.random() < 0.65:
        picture = _lake(picture, x, y, noise, (sun_x, min(0.93, horizon + 0.27)), haze)
    return picture


def _sky(
    x: Array,
    y: Array,
    table: Array,
    noise: Noise,
    sun: tuple[float, float, float],
    rng: np.random.Generator,
) -> Array:
    sun_x, sun_y, horizon = sun
    away = np.sqrt((x - sun_x) ** 2 + (y - sun_y) ** 2)
    level = 0.30 + 0.52 * np.clip(y / horizon, 0.0, 1.0) ** 1.35 + 0.24 * np.exp(-away * 3.2)
    picture = colour(table, level)
    stars = smooth(0.9975, 1.0, rng.random(x.shape).astype(np.float32))
    picture = mix(picture, colour(table, 1.0), (stars * smooth(0.45, 0.0, y) * 0.8)[..., None])
    bend = noise.sum(x * 1.3 + 7.0, y * 3.0, 3)
    veil = noise.sum(x * 1.6 + bend * 0.9, y * 6.5 + bend * 1.2, 6, 0.55)
    cover = smooth(-0.02, 0.55, veil) * smooth(-0.1, 0.3, y) * 0.75
    lit = colour(table, np.clip(0.62 + 0.5 * np.exp(-away * 2.0) + 0.25 * veil, 0.0, 1.0))
    picture = mix(picture, lit, cover[..., None])
    radius = float(rng.uniform(0.045, 0.08))
    glow = 0.55 * np.exp(-np.maximum(away - radius, 0.0) * 9.0)
    disc = smooth(radius + 0.003, radius - 0.003, away)
    return mix(picture, colour(table, 1.0), np.maximum(glow, disc)[..., None])


def _ridge(
    picture: Array,
    x: Array,
    y: Array,
    table: Array,
    noise: Noise,
    haze: Array,
    horizon: float,
    depth: float,
) -> Array:
    """One ridge over the picture; depth 0 is far away, 1 is at our feet."""
    line = x[:1] * (1.1 + 1.5 * (1.0 - depth)) + 31.0 * depth
    row = np.full_like(line, 5.3 * depth)
    rough = noise.sum(line, row, 7, 0.5 - 0.07 * depth)
    peaks = 0.55 - np.abs(noise.sum(line * 0.9 + 3.0, row + 9.0, 6, 0.46))
    height = (0.09 + 0.17 * depth) * (0.55 * rough + 0.75 * (1.0 - depth) * peaks)
    crest = horizon + 0.42 * depth**1.6 - 0.03 - height
    if depth > 0.75:  # the nearest ones carry trees
        trees = np.zeros_like(line)
        for spacing in (23.0, 37.0, 61.0):
            place = line * spacing + 2.5 * noise.at(line * spacing * 0.31, row + spacing)
            tall = 0.35 + 1.1 * noise.at(np.floor(place) * 0.73 + 0.5, row + 3.0)
            spire = np.maximum(0.0, 0.5 - np.abs(place % 1.0 - 0.5) * 1.25) * tall
            trees = np.maximum(trees, spire)
        crest = crest - 0.06 * depth * trees
    below = y - crest
    body = colour(table, 0.60 * (1.0 - depth) ** 1.15 + 0.015)
    shade = mix(body, haze, 0.62 * (1.0 - depth) ** 0.8)
    mist = smooth(0.0, 0.30, below) * (0.62 - 0.5 * depth)
    texture = 1.0 + 0.16 * noise.sum(x * 9.0 + depth * 11.0, y * 14.0 + below * 6.0, 3)
    shaded = mix(shade * texture[..., None], haze, np.clip(mist, 0.0, 1.0)[..., None])
    edge = 0.8 / x.shape[0]
    return mix(picture, shaded, smooth(-edge, edge, below)[..., None])


def _lake(
    picture: Array, x: Array, y: Array, noise: Noise, sun: tuple[float, float], haze: Array
) -> Array:
    """Everything below the shore becomes a mirror with ripples that widen towards us."""
    sun_x, shore = sun
    rows, columns = y.shape
    depth = np.maximum(y - shore, 0.0)
    near = depth / (1.0 - shore)
    ripple = noise.sum(x * 5.0, np.log(depth + 0.012) * 9.0, 4)
    source_y = (shore - depth * 1.25 + ripple * 0.05 * near) * rows
    source_x = x * rows + ripple * 26.0 * near * rows / 512.0
    mirror = picture[
        np.clip(source_y, 0, rows - 1).astype(np.int32),
        np.clip(source_x, 0, columns - 1).astype(np.int32),
    ]
    path = np.exp(-(((x - sun_x) / (0.05 + 0.25 * near)) ** 2))
    glint = smooth(0.22, 0.5, ripple) * path * 0.7
    water = mix(mirror * (0.90 - 0.22 * near)[..., None], haze, glint[..., None])
    edge = 1.0 / rows
    return mix(picture, water, smooth(shore - edge, shore + edge, y)[..., None])


def flow(x: Array, y: Array, table: Array, rng: np.random.Generator) -> Array:
    """Thousands of threads that follow the curl of a noise field, laid over one another."""
    rows, columns = y.shape
    noise = Noise(rng)
    scale = float(rng.uniform(1.1, 1.9))
    swirl = noise.sum(x * scale, y * scale, 2)
    picture = colour(table, 0.05 + 0.16 * (0.5 + swirl))
    curl_x, curl_y = np.gradient(swirl, axis=0), -np.gradient(swirl, axis=1)
    speed = np.hypot(curl_x, curl_y) + 0.35 * scale / rows
    # Each step is the same part of the picture's height, whatever its size.
    ahead = np.stack([curl_x / speed, curl_y / speed], axis=-1) * (0.0036 * rows)
    count = min(60000, 3000 + rows * columns // 18)
    place = rng.uniform(-0.05, 1.05, (count, 2)).astype(np.float32) * (columns, rows)
    tone = 0.5 + 0.75 * noise.sum(place[:, 0] / rows * 1.4 + 40.0, place[:, 1] / rows * 1.4, 3)
    tone = np.clip(tone + rng.normal(0.0, 0.10, count).astype(np.float32), 0.12, 1.0)
    light = _threads(place.astype(np.float32), ahead, colour(table, tone), steps=110)
    weight = light[:, 3:].reshape(rows, columns, 1)
    laid = light[:, :3].reshape(rows, columns, 3) / np.maximum(weight, 1e-4)
    density = weight / max(float(weight.mean()), 1e-6)
    sheen = laid * (0.55 + 0.45 * np.minimum(density * 0.55, 1.6))
    return mix(picture, sheen, 1.0 - np.exp(-density * 1.15))


def _threads(place: Array, ahead: Array, ink: Array, steps: int) -> Array:
    """Ink (three channels) and its weight in each pixel after dots have walked along a field.

    place: where each dot starts, (x, y) in pixels. ahead: the field, in pixels a step. The walk
    is laid down a few steps at a time: adding to the whole picture at each step costs more than
    the walk itself.
    """
    rows, columns = ahead.shape[:2]
    light = np.zeros((4, rows * columns), np.float32)
    walked: list[tuple[Array, np.float32]] = []
    for index in range(steps):
        walked.append((place, np.float32(np.sin(np.pi * (index + 0.5) / steps))))
        if len(walked) == 11 or index == steps - 1:
            _lay(light, walked, ink, rows, columns)
            walked = []
        cell_x = np.clip(place[:, 0], 0, columns - 1).astype(np.int32)
        cell_y = np.clip(place[:, 1], 0, rows - 1).astype(np.int32)
        place = place + ahead[cell_y, cell_x]
    return light.T


def _lay(
    light: Array, walked: list[tuple[Array, np.float32]], ink: Array, rows: int, columns: int
) -> None:
    """Add the dots of some steps, each shared among the four pixels around it."""
    place = np.concatenate([at for at, _ in walked]) - 0.5
    fade = np.repeat(np.array([strength for _, strength in walked]), len(ink))
    inks = np.tile(ink, (len(walked), 1))
    keep = ((place >= 0) & (place < (columns - 1, rows - 1))).all(axis=1)
    place, fade, inks = place[keep], fade[keep], inks[keep]
    corner = place.astype(np.int32)
    u, v = (place - corner).T
    first = corner[:, 1] * columns + corner[:, 0]
    cells = np.concatenate([first, first + 1, first + columns, first + columns + 1])
    shares = np.concatenate([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v])
    shares *= np.tile(fade, 4)
    for channel in range(3):
        amount = shares * np.tile(inks[:, channel], 4)
        light[channel] += np.bincount(cells, amount, rows * columns)
    light[3] += np.bincount(cells, shares, rows * columns)


def nebula(x: Array, y: Array, table: Array, rng: np.random.Generator) -> Array:
    """Noise whose coordinates are bent by noise, twice, lit from one side, with stars."""
    noise = Noise(rng)
    scale = float(rng.uniform(0.8, 1.2))
    sx, sy = x * scale, y * scale
    ax, ay = noise.sum(sx, sy, 3), noise.sum(sx + 5.2, sy + 1.3, 3)
    bx = noise.sum(sx + 1.7 * ax + 1.7, sy + 1.7 * ay + 9.2, 4)
    by = noise.sum(sx + 1.7 * ax + 8.3, sy + 1.7 * ay + 2.8, 4)
    body = noise.sum(sx + 1.5 * bx, sy + 1.5 * by, 6, 0.5)
    folds = np.sqrt(bx * bx + by * by)
    slope_y, slope_x = np.gradient(body)
    relief = np.clip((slope_x - slope_y) * y.shape[0] * 0.09, -1.0, 1.0)
    level = 0.36 + 0.62 * body + 0.42 * folds + 0.07 * relief
    picture = colour(table, level)
    other = colour(table, np.clip(0.95 - 0.9 * folds, 0.0, 1.0))
    picture = mix(picture, other, (smooth(0.05, 0.6, ax) * 0.45)[..., None])
    picture = picture * (0.72 + 0.5 * smooth(-0.5, 0.4, body))[..., None]
    dust = smooth(0.9985, 1.0, rng.random(x.shape).astype(np.float32)) * smooth(0.5, 0.1, folds)
    return mix(picture, colour(table, 1.0), dust[..., None])

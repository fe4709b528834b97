"""The ways to invert a photo, as data: the paper's seven (section 4.1; numbers of the authors' files) and ours.

STEADY is EOIFS that also learns, while the generator is fitted, to paint the photo's colours with noise that has moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Variant:
    """One way. W are the styles, S the noise maps; steps are Adam's.

    `encoded`: W starts at what the encoder says, else at the mean w. `noise`: deviation of S at the start. `rate`
    halves after `patience` steps without a better loss. `moves_noise`: S is optimised along with W. The loss is L1,
    plus `perceptual` times the perceptual distance, plus `penalty` times the distance of W from its start. `routed`:
    steps turn to the moving and to the still region alternately. `tuning`: steps of fine-tuning the generator after,
    `steady`: with moved noise too.
    """

    name: str
    encoded: bool = True
    noise: float = 0.0
    steps: int = 500
    rate: float = 0.1
    patience: int = 20
    moves_noise: bool = True
    perceptual: float = 0.01
    penalty: float = 0.0
    routed: bool = False
    tuning: int = 0
    steady: bool = False


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        variant.name: variant
        for variant in (
            Variant(
                "I2S",
                encoded=False,
                noise=1.0,
                steps=4000,
                rate=0.01,
                patience=4000,
                moves_noise=False,
                perceptual=1.0,
            ),
            Variant("MO", encoded=False),
            Variant("E", noise=1.0, steps=0),
            Variant("EO"),
            Variant("EOI", penalty=1.0),
            Variant("EOIF", penalty=1.0, tuning=500),
            Variant("EOIFS", penalty=1.0, routed=True, tuning=500),
            Variant("STEADY", penalty=1.0, routed=True, tuning=500, steady=True),
        )
    }
)


def variant_named(name: str) -> Variant:
    """The variant of that name, whichever its case. Raises ValueError for another name."""
    try:
        return VARIANTS[name.upper()]
    except KeyError:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {name!r}") from None

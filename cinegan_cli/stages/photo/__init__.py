"""Stage 1: a file becomes upright sRGB pixels at the size of the output."""

from cinegan_cli.stages.photo.decode import decode_picture
from cinegan_cli.stages.photo.deep import to_8_bit
from cinegan_cli.stages.photo.planes import Planes, read_planes
from cinegan_cli.stages.photo.read import Framed, frame_photo, photo_of, read_grey, read_photo
from cinegan_cli.stages.photo.source import Source, name_of, source_of
from cinegan_cli.stages.photo.window import MOST_ELONGATED, SMALLEST_SIDE, parse_aspect

__all__ = [
    "MOST_ELONGATED",
    "SMALLEST_SIDE",
    "Framed",
    "Planes",
    "Source",
    "decode_picture",
    "frame_photo",
    "name_of",
    "parse_aspect",
    "photo_of",
    "read_grey",
    "read_photo",
    "read_planes",
    "source_of",
    "to_8_bit",
]

"""Which devices can decode a video: its codec, profile, level and size against what their hardware takes."""

from __future__ import annotations

from cinegan_cli.measure.boxes import Picture
from cinegan_cli.measure.findings import Finding, finding
from cinegan_cli.stages.video import CODECS, LAST_PLAYABLE, Stream, required_level, who_stops

# H.264 high is 100, above it are 10 bits and finer colour; HEVC main 1 and main 10; AV1 and VP9 start at 0.
PLAYABLE_PROFILES = {"h264": (66, 77, 88, 100), "hevc": (1, 2), "av1": (0,), "vp9": (0, 2)}
# what even a small file of these codecs does not play on
WITHOUT_CODEC = {
    "hevc": "some browsers have no HEVC, such as Firefox on older systems",
    "av1": "Apple devices from before 2023 have no AV1",
}


def playback_finding(stream: Stream, picture: Picture | None) -> Finding:
    """The codec, profile and level of a video, `picture` as its MP4 index has them.

    A file may promise less than its pictures need: the higher one of the level promised and needed counts.
    """
    if stream.codec == "prores":
        value = f"ProRes {stream.profile}, {stream.width}x{stream.height}"
        return Finding(
            "playback", True, value, "", f"{value}; for editing: browsers and phones other than Apple's stop"
        )
    codec = CODECS.get(stream.codec)
    if codec is None:
        wanted = "H.264, HEVC, VP9 or AV1"
        return finding("playback", False, stream.codec or "an unknown codec", wanted, "browsers and phones stop here")
    size = (stream.width, stream.height)
    needed = required_level(stream.codec, size, stream.fps)
    promised = picture.level if picture is not None else None
    known = [level.name for level in codec.levels]
    ranks = [len(known) if needed is None else known.index(needed.name)]
    ranks += [known.index(promised)] if promised in known else []
    level = known[max(ranks)] if max(ranks) < len(known) else None
    value = f"{codec.name} {stream.profile}, level {level or 'beyond ' + known[-1]}, {size[0]}x{size[1]}"
    stops = [who_stops(stream.codec, level), WITHOUT_CODEC.get(stream.codec, "")]
    passed = max(ranks) <= codec.rank(LAST_PLAYABLE)
    if picture is not None and picture.profile is not None:
        if picture.profile not in PLAYABLE_PROFILES[stream.codec]:
            passed = False
            stops.append("hardware decoders of phones, TVs and laptops stop at this profile")
        if picture.kind == "hev1":
            passed = False
            stops.append("Apple's players want the tag hvc1")
    remark = "; ".join(filter(None, stops))
    if passed and remark:
        return Finding("playback", True, value, "", f"{value}; {remark}")
    return finding("playback", passed, value, f"level {LAST_PLAYABLE} or lower, an ordinary profile", remark)

"""ffmpeg arguments of each kind of output."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

ENCODERS = MappingProxyType({"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1"})
MASTER_SUFFIX = ".nut"  # its time base is exact; Matroska's milliseconds would make the rate uneven
# The tags belong to the pixels: the matrix of the conversion is set here and is not left to swscale's guess by size.
TO_BT709 = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
)
# The format is always named: from a name with a number field ffmpeg would conclude that a picture is to be numbered.
FORMATS = MappingProxyType(
    {
        ".mp4": "mp4",
        ".webm": "webm",
        ".gif": "gif",
        ".webp": "webp",
        ".apng": "apng",
        ".png": "png_pipe",
        MASTER_SUFFIX: "nut",
    }
)
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,ogg,flv,asf,gif,apng,nut"  # none of them can refer to other files
# No paths, dates or versions: two runs give the same bytes.
CLEAN = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-an", "-sn", "-dn")
# No B-frames in any of them: presentation starts at 0 without an edit list, which players skip or honour as they like.
MP4 = ("-use_editlist", "0", "-movflags", "+faststart", "-f", "mp4")


def exact_rate(fps: float) -> Fraction:
    """Frames per second as a fraction: NTSC rates (29.97, 23.976, 59.94) as n·1000/1001, others as written."""
    ntsc = Fraction(round(fps) * 1000, 1001)
    if abs(fps - float(ntsc)) < 0.006 and abs(fps - round(fps)) > 1e-4:
        return ntsc
    return Fraction(fps).limit_denominator(1000)


def raw_input(size: tuple[int, int], rate: Fraction) -> list[str]:
    """Arguments that read RGB frames of (width, height) from stdin."""
    return [
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{size[0]}x{size[1]}",
        "-framerate",
        str(rate),
        "-i",
        "pipe:0",
    ]


def output(target: Path) -> str:
    """A file name that ffmpeg cannot take for an option or a protocol."""
    return f"file:{target}"


def own_input(file: Path) -> list[str]:
    """Arguments that read a file that we wrote."""
    return ["-protocol_whitelist", "file", "-f", FORMATS[file.suffix], "-i", output(file)]


def foreign_input(file: Path) -> list[str]:
    """Arguments that read a file of the user's, as one of the containers that we take and as nothing else.

    A playlist, whatever its name, would make ffmpeg open other files and addresses.
    """
    return ["-protocol_whitelist", "file", "-format_whitelist", CONTAINERS, "-i", output(file)]


def master_arguments() -> list[str]:
    """A lossless RGB intermediate, fast to write and small where nothing moves."""
    return [*CLEAN, "-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0", "-g", "60", "-f", "nut"]


def encoder_arguments(kind: str, quality: int, count: int) -> list[str]:
    """Arguments between input and output for a loop of `count` frames at `quality`, 1 to 100.

    `kind` is a codec of mp4 (h264, hevc, av1), or the suffix of another output.
    """
    mp4 = {"h264": _h264, "hevc": _hevc, "av1": _av1}
    if kind in mp4:
        return [*CLEAN, "-vf", TO_BT709, *mp4[kind](quality), "-g", _key_interval(count), *MP4]
    if kind == ".webm":
        return [*CLEAN, "-vf", TO_BT709, *_vp9(quality), "-g", _key_interval(count), "-f", "webm"]
    if kind == ".webp":
        return [*CLEAN, *_webp(quality)]
    return [*CLEAN, "-c:v", "apng", "-pix_fmt", "rgb24", "-compression_level", "3", "-plays", "0", "-f", "apng"]


def _key_interval(count: int) -> str:
    return str(max(250, min(count, 600)))


def _h264(quality: int) -> list[str]:
    """One keyframe, then even quality: a loop shows its last frame next to its first, so neither may be the worse one.

    x264's macroblock tree spends the bits on the first frames: the last frame of a loop then has 2 to 4 dB less than
    the first (42.0 against 44.6, 38.2 against 40.9), which is a visible pop at the seam. Fast skips hold slow motion
    still for a frame or two: without them the smallest step is 0.93 of the median one, with them 0.79. A keyframe 1.7
    times as fine as the rest settles what is static at once: with 1.1 it sharpened for a second, and fell back at the
    seam by 1.2 levels; with 1.6 by 0.2, in a file 2 % larger.
    """
    crf = 47.3 - 0.329 * quality  # 80 → 21, 100 → 14.4, 1 → 47
    return [
        *("-c:v", ENCODERS["h264"], "-preset", "faster", "-crf", f"{crf:.2f}", "-profile:v", "high"),
        *("-x264-params", "mbtree=0:ipratio=1.7:no-fast-pskip=1:rc-lookahead=10"),
        *("-bf", "0"),
    ]


def _hevc(quality: int) -> list[str]:
    """As H.264; the tag is the one that Apple's players want, whose files hold the parameters only once."""
    crf = 48.8 - 0.329 * quality  # the PSNR of H.264 at 1.5 less
    return [
        *("-c:v", ENCODERS["hevc"], "-preset", "fast", "-crf", f"{crf:.2f}", "-tag:v", "hvc1"),
        *("-x265-params", "log-level=error:info=0:cutree=0:ipratio=1.7:bframes=0:rc-lookahead=10"),
    ]


def _av1(quality: int) -> list[str]:
    """Without frames that are shown later than they are sent: the last one of a loop is as good as the first."""
    crf = min(63, round(75.6 - 0.62 * quality))  # the PSNR of H.264: 80 → 26, 95 → 17, 30 → 57
    return ["-c:v", ENCODERS["av1"], "-preset", "8", "-crf", str(crf), "-svtav1-params", "pred-struct=1"]


def _vp9(quality: int) -> list[str]:
    crf = round(58 - 0.42 * quality)  # 80 → 24
    return [
        *("-c:v", "libvpx-vp9", "-b:v", "0", "-crf", str(crf), "-deadline", "good", "-cpu-used", "5"),
        *("-row-mt", "1", "-tile-columns", "1", "-lag-in-frames", "12"),
    ]


def _webp(quality: int) -> list[str]:
    lossy = ["-quality", str(quality), "-compression_level", "2", "-pix_fmt", "bgra"]
    lossless = ["-lossless", "1", "-quality", "20", "-compression_level", "1", "-pix_fmt", "bgra"]
    return ["-c:v", "libwebp_anim", *(lossless if quality == 100 else lossy), "-loop", "0", "-f", "webp"]


def gif_arguments(size: tuple[int, int], rate: Fraction) -> list[str]:
    """Arguments that read indices and their palette from stdin, and write what differs from the frame before."""
    source = ["-f", "rawvideo", "-pix_fmt", "pal8", "-s", f"{size[0]}x{size[1]}", "-framerate", str(rate)]
    return [*source, "-i", "pipe:0", *CLEAN, "-loop", "0", "-f", "gif"]


def repeat_arguments(file: Path, repeat: int) -> list[str]:
    """Arguments that join `repeat` copies of one encoded cycle, without decoding."""
    arguments = ["-stream_loop", str(repeat - 1), *own_input(file), "-c", "copy", *CLEAN]
    return [*arguments, *(MP4 if file.suffix == ".mp4" else ("-f", "webm"))]

"""ffmpeg arguments of each kind of output."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

ENCODERS = MappingProxyType(
    {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9", "prores": "prores_ks"}
)
MASTER_SUFFIX = ".nut"  # its time base is exact; Matroska's milliseconds would make the rate uneven
# The tags belong to the pixels: the matrix of the conversion is set here and is not left to swscale's guess by size.
AS_BT709 = "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
TO_BT709 = "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,format="
# The format is always named: from a name with a number field ffmpeg would conclude that a picture is to be numbered.
FORMATS = MappingProxyType(
    {
        ".mp4": "mp4",
        ".webm": "webm",
        ".mov": "mov",
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
CONTAINER = MappingProxyType({".mp4": MP4, ".mov": (*MP4[:-1], "mov"), ".webm": ("-f", "webm")})


def exact_rate(fps: float) -> Fraction:
    """Frames per second as a fraction: NTSC rates (29.97, 23.976, 59.94) as n·1000/1001, others as written."""
    ntsc = Fraction(round(fps) * 1000, 1001)
    if abs(fps - float(ntsc)) < 0.006 and abs(fps - round(fps)) > 1e-4:
        return ntsc
    return Fraction(fps).limit_denominator(1000)


def handed_over(codec: str | None) -> str:
    """The pixels in which an encoder takes frames: converted by `ops.yuv420` where the codec stores no others."""
    return "rgb24" if codec in (None, "prores") else "yuv420p"


def raw_input(size: tuple[int, int], rate: Fraction, pixels: str = "rgb24") -> list[str]:
    """Arguments that read frames of (width, height) from stdin, in `pixels` of `handed_over`."""
    kind = ["-f", "rawvideo", "-pix_fmt", pixels]
    return [*kind, "-s", f"{size[0]}x{size[1]}", "-framerate", str(rate), "-i", "pipe:0"]


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


def encoder_arguments(
    suffix: str, codec: str | None, quality: int, count: int, encoder: str = "software", pixels: str = "rgb24"
) -> list[str]:
    """Arguments between input and output for a loop of `count` frames at `quality`, 1 to 100.

    `codec` is that of a video, None for the pictures .webp and .apng; `encoder`, `pixels` as of `codec_arguments`.
    """
    if codec is not None:
        return [*codec_arguments(codec, quality, count, encoder, pixels), *CONTAINER[suffix]]
    if suffix == ".webp":
        return [*CLEAN, *_webp(quality)]
    return [*CLEAN, "-c:v", "apng", "-pix_fmt", "rgb24", "-compression_level", "3", "-plays", "0", "-f", "apng"]


def codec_arguments(codec: str, quality: int, count: int, encoder: str, pixels: str = "rgb24") -> list[str]:
    """As `encoder_arguments`, without the container; `encoder` is "software", or hardware such as "nvenc".

    `pixels` are those of the frames that come: yuv420p is taken as it is, others are converted.
    """
    wanted = "yuv422p10le" if codec == "prores" else "yuv420p"
    filters = [AS_BT709] if pixels == wanted else [TO_BT709 + wanted, AS_BT709]
    if encoder == "vaapi":
        filters.append("format=nv12,hwupload")
    ways = {"h264": _h264, "hevc": _hevc, "av1": _av1, "vp9": _vp9, "prores": _prores}
    way = ways[codec](quality) if encoder == "software" else _hardware(codec, encoder, quality)
    return [*CLEAN, "-vf", ",".join(filters), *way, "-g", _key_interval(count)]


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


def _prores(quality: int) -> list[str]:
    """HQ, every frame a keyframe: for editing. The vendor is the one that editors expect."""
    step = max(1, round(20 - 0.19 * quality))
    return ["-c:v", ENCODERS["prores"], "-profile:v", "3", "-vendor", "apl0", "-q:v", str(step)]


def _hardware(codec: str, encoder: str, quality: int) -> list[str]:
    """Constant quality by each vendor's own scale, about H.264's; never measured on such hardware."""
    step = min(51, round(47.3 - 0.329 * quality))
    if encoder == "vaapi":
        step = 5 * step if codec in ("av1", "vp9") else step  # their quantizers go to 255
    scale = {
        "nvenc": ["-rc", "vbr", "-cq", str(step), "-b:v", "0"],
        "qsv": ["-global_quality", str(step)],
        "vaapi": ["-rc_mode", "CQP", "-global_quality", str(step)],
        "videotoolbox": ["-profile:v", "hq"] if codec == "prores" else ["-q:v", str(quality)],
    }
    device = ["-vaapi_device", "/dev/dri/renderD128"] if encoder == "vaapi" else []
    tag = ["-tag:v", "hvc1"] if codec == "hevc" else []
    return [*device, "-c:v", f"{codec}_{encoder}", *scale[encoder], "-bf", "0", *tag]


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
    return ["-stream_loop", str(repeat - 1), *own_input(file), "-c", "copy", *CLEAN, *CONTAINER[file.suffix]]

"""Stage 8: pictures become files, and files pictures."""

from cinegan_cli.stages.video.clips import VIDEOS, Clip, Frame, find_clips, open_clip, reduced
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable
from cinegan_cli.stages.video.levels import CODECS, LAST_PLAYABLE, required_level, who_stops
from cinegan_cli.stages.video.names import existing_frames, files_of, is_finished, parse_bytes, writes_frames
from cinegan_cli.stages.video.notices import output_notices, size_limit
from cinegan_cli.stages.video.outputs import Written
from cinegan_cli.stages.video.probe import Stream, packet_times, probe
from cinegan_cli.stages.video.read import is_lossless, is_pattern, read_frames
from cinegan_cli.stages.video.stills import LONGEST_NAME, keep_inputs, require_free, write_pictures
from cinegan_cli.stages.video.write import check_outputs, write_loop

__all__ = [
    "CODECS",
    "LAST_PLAYABLE",
    "LONGEST_NAME",
    "VIDEOS",
    "Clip",
    "Frame",
    "Stream",
    "Written",
    "check_outputs",
    "existing_frames",
    "ffmpeg_executable",
    "files_of",
    "find_clips",
    "is_finished",
    "is_lossless",
    "is_pattern",
    "keep_inputs",
    "open_clip",
    "output_notices",
    "packet_times",
    "parse_bytes",
    "probe",
    "read_frames",
    "reduced",
    "require_free",
    "required_level",
    "size_limit",
    "who_stops",
    "write_loop",
    "write_pictures",
    "writes_frames",
]

"""Figures of finished loops, pictures and clips."""

from cinegan_cli.measure.clip_faults import camera_fault, clip_fault
from cinegan_cli.measure.container import check_container
from cinegan_cli.measure.findings import Finding, StepLimits, motion_findings, static_findings, step_limits
from cinegan_cli.measure.flow import Array, ClipMotion, Flow, measure_motion
from cinegan_cli.measure.frechet import Extractor, Features, frechet_distance
from cinegan_cli.measure.iou import Scores, score
from cinegan_cli.measure.loop import LoopMeter, LoopReport, measure_loop
from cinegan_cli.measure.metrics import WINDOW, ms_ssim, psnr, rmse, ssim

__all__ = [
    "WINDOW",
    "Array",
    "ClipMotion",
    "Extractor",
    "Features",
    "Finding",
    "Flow",
    "LoopMeter",
    "LoopReport",
    "Scores",
    "StepLimits",
    "camera_fault",
    "check_container",
    "clip_fault",
    "frechet_distance",
    "measure_loop",
    "measure_motion",
    "motion_findings",
    "ms_ssim",
    "psnr",
    "rmse",
    "score",
    "ssim",
    "static_findings",
    "step_limits",
]

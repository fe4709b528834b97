// What is drawn over the moving photo, but for the marks.

import { colourOf, KIND_NAMES } from './kinds.js';
import { OPTIONS } from './tools.js';

const SPACING = 46; // css px between the arrows of the flow

// Over the photo as the stage shows it: the flow, an arrow that is being drawn, the tool's outline.
export function drawOverlay(stage) {
  const { view, overlay } = stage, ratio = devicePixelRatio;
  const width = Math.round(view.width * ratio), height = Math.round(view.height * ratio);
  if (overlay.width !== width || overlay.height !== height) Object.assign(overlay, { width, height });
  const ink = overlay.getContext('2d');
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, view.width, view.height);
  if (stage.flow && stage.motion && !stage.before) drawFlow(ink, stage);
  if (stage.drawn) drawDrag(ink, stage);
  if (view.cursor && stage.tool?.brush) ring(ink, view.cursor, OPTIONS.size / 2 * view.cursor.pressure);
  if (stage.pointer) cross(ink, stage.view.toScreen(stage.pointer.x, stage.pointer.y));
}

// Arrows of half a second's travel, within limits, in the colours of kinds.
function drawFlow(ink, stage) {
  const { view, motion, project } = stage, { photo } = project.state, { work } = photo;
  ink.lineCap = ink.lineJoin = 'round';
  const corner = view.toScreen(0, 0);
  ink.save();
  ink.beginPath();
  ink.rect(corner.x, corner.y, photo.width * view.scale, photo.height * view.scale);
  ink.clip();
  const spacing = SPACING / view.scale;
  const a = view.toPhoto(0, 0), b = view.toPhoto(view.width, view.height);
  const first = (edge) => (Math.floor(Math.max(0, edge) / spacing) + 0.5) * spacing;
  for (let y = first(a.y); y < Math.min(photo.height, b.y); y += spacing) {
    for (let x = first(a.x); x < Math.min(photo.width, b.x); x += spacing) {
      const place = Math.floor(y * work.height / photo.height) * work.width + Math.floor(x * work.width / photo.width);
      if (project.mask[place] < 77 || project.freeze[place] > 127) continue;
      const cell = Math.floor(y * motion.h / photo.height) * motion.w + Math.floor(x * motion.w / photo.width);
      const dx = motion.x[cell] * photo.width * view.scale, dy = motion.y[cell] * photo.width * view.scale;
      const length = Math.hypot(dx, dy), at = view.toScreen(x, y);
      if (motion.ripple[cell] > 127) { waves(ink, at.x, at.y, colourOf(KIND_NAMES[motion.kinds[cell]])); continue; }
      if (length < 0.02 * SPACING) continue;
      const drawn = Math.min(0.85 * SPACING, Math.max(0.35 * SPACING, 0.5 * length)) / length / 2;
      arrow(ink, at.x - dx * drawn, at.y - dy * drawn, at.x + dx * drawn, at.y + dy * drawn, 5, 1.5,
        colourOf(KIND_NAMES[motion.kinds[cell]]));
    }
  }
  ink.restore();
}

function drawDrag(ink, { view, project, drawn: [x0, y0, x1, y1] }) {
  const a = view.toScreen(x0, y0), b = view.toScreen(x1, y1);
  ink.lineCap = ink.lineJoin = 'round';
  arrow(ink, a.x, a.y, b.x, b.y, 12, 3.5, '#ffd54a');
  const share = 100 * Math.hypot(x1 - x0, y1 - y0) / project.state.photo.width;
  label(ink, `${share.toFixed(1)} % of the width a second`, b.x + 14, b.y - 14);
}

function arrow(ink, x0, y0, x1, y1, head, width, colour) {
  const angle = Math.atan2(y1 - y0, x1 - x0);
  ink.beginPath();
  ink.moveTo(x0, y0);
  ink.lineTo(x1, y1);
  for (const side of [-1, 1]) {
    ink.moveTo(x1, y1);
    ink.lineTo(x1 - head * Math.cos(angle + side * 0.5), y1 - head * Math.sin(angle + side * 0.5));
  }
  outlined(ink, colour, width);
}

// Waves to and fro, instead of a flow.
function waves(ink, x, y, colour) {
  ink.beginPath();
  for (const dy of [-3, 3]) {
    ink.moveTo(x - 9, y + dy);
    ink.bezierCurveTo(x - 3, y + dy - 6, x + 3, y + dy + 6, x + 9, y + dy);
  }
  outlined(ink, colour, 1.5);
}

function outlined(ink, colour, width) {
  for (const [style, wide] of [['rgb(0 0 0 / 0.6)', width + 2], [colour, width]]) {
    ink.strokeStyle = style;
    ink.lineWidth = wide;
    ink.stroke();
  }
}

function ring(ink, { sx, sy }, radius) {
  for (const [style, wide] of [['rgb(0 0 0 / 0.7)', 3], ['#fff', 1.5]]) {
    ink.strokeStyle = style;
    ink.lineWidth = wide;
    ink.beginPath();
    ink.arc(sx, sy, Math.max(1, radius), 0, 2 * Math.PI);
    ink.stroke();
  }
}

function cross(ink, { x, y }) {
  for (const [style, wide] of [['#000', 4], ['#fff', 2]]) {
    ink.strokeStyle = style;
    ink.lineWidth = wide;
    ink.beginPath();
    ink.moveTo(x - 12, y); ink.lineTo(x + 12, y); ink.moveTo(x, y - 12); ink.lineTo(x, y + 12);
    ink.stroke();
  }
}

function label(ink, text, x, y) {
  ink.font = '600 12px system-ui, sans-serif';
  ink.fillStyle = 'rgb(0 0 0 / 0.7)';
  ink.fillRect(x - 5, y - 13, ink.measureText(text).width + 10, 19);
  ink.fillStyle = '#fff';
  ink.fillText(text, x, y);
}

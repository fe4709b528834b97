// What the middle of the page shows: the moving photo, arrows of the motion, marks, the tool's outline.

import { call } from './state.js';
import { decodeMotion, prepareField } from './field.js';
import { colourOf, KIND_NAMES } from './kinds.js';
import { Marks } from './marks.js';
import { Preview } from './preview.js';
import { OPTIONS } from './tools.js';

const QUALITIES = [1, 0.75, 0.5, 0.35]; // canvas px per screen px: less where a frame takes too long
const SLOW = 28, FAST = 14; // ms a frame
const SPACING = 46, REFILL = 160; // css px between arrows; ms between two fillings of the layer while one paints
const MOST_TILE = 2400; // px of the full-size part in sight

export class Stage {
  constructor(project, view, parts) {
    Object.assign(this, { project, view, ...parts, tool: null, drawn: null, motion: null, playing: true, before: false,
      tint: true, flow: true, loop: 0, level: 0, best: 0, times: [], fixed: null, looks: new Map() });
    this.marks = new Marks(project, view, parts.marks);
    try {
      this.preview = new Preview(parts.gl);
      if (this.preview.software) this.level = this.best = QUALITIES.length - 1;
    } catch (error) { project.tell('trouble', error); }
    const on = (name, handler) => project.addEventListener(name, (e) => handler(e.detail));
    on('opened', () => this.opened());
    on('plane', (detail) => this.plane(detail));
    on('motion', (buffer) => this.moved(buffer));
    on('changed', (what) => this.changed(what));
    view.addEventListener('view', () => { this.stale = true; this.wantTile(); });
    this.frame = this.frame.bind(this);
    requestAnimationFrame(this.frame);
  }

  show(what) {
    Object.assign(this, what);
    this.stale = true;
  }

  opened() {
    const { project, preview } = this;
    this.motion = this.rgba = null;
    this.looks.clear();
    this.kindMenu.hidden = true;
    if (!project.state.photo) return;
    preview?.setPhoto(project.bitmap, project.work.width, project.work.height);
    this.view.setPhoto(project.state.photo);
    this.changed('settings');
  }

  plane({ name, box, over }) {
    const { preview, project } = this;
    if (!preview) return;
    preview.setPlane(name, project[name], box);
    const now = performance.now();
    if (!box || over || now - (this.refilled ?? 0) > REFILL + 8 * (this.refillTook ?? 0)) {
      preview.refill();
      this.refilled = performance.now();
      this.refillTook = this.refilled - now;
    }
    this.stale = true;
  }

  moved(buffer) {
    this.motion = decodeMotion(buffer);
    this.motionSpeed = this.project.settings.speed ?? 1;
    this.fieldOf();
    this.showLegend();
    this.view.element.dataset.motion = this.project.state.version; // of the version that is shown
  }

  fieldOf() {
    const { width, height } = this.project.state.photo;
    const seconds = this.project.settings.seconds ?? 4;
    if (!this.preview) return;
    this.preview.setField(prepareField(this.motion, height / width, seconds, this.preview.cells), this.motion);
    this.stale = true;
  }

  async changed(what) {
    this.stale = true;
    if (what !== 'settings' || !this.preview) return;
    const { settings } = this.project;
    if (this.motion) {
      this.preview.rate = (settings.speed ?? 1) / this.motionSpeed;
      if (this.preview.field?.seconds !== (settings.seconds ?? 4)) this.fieldOf();
    }
    if (this.look === settings.target) return;
    this.look = settings.target;
    const bitmap = this.look && this.project.state.looks.includes(this.look) ? await this.lookOf(this.look) : null;
    if (this.look === settings.target) this.preview.setLook(bitmap);
    this.stale = true;
  }

  async lookOf(name) {
    if (!this.looks.has(name)) {
      const answer = await call(`look/${encodeURIComponent(name)}.jpg`).catch(() => null);
      this.looks.set(name, answer && await createImageBitmap(await answer.blob()));
    }
    return this.looks.get(name);
  }

  // RGBA of the photo at working size.
  pixels() {
    if (!this.rgba) {
      const { width, height } = this.project.work;
      const surface = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      surface.drawImage(this.project.bitmap, 0, 0, width, height);
      this.rgba = surface.getImageData(0, 0, width, height).data;
    }
    return this.rgba;
  }

  // One frame of the screen; `now` in ms.
  frame(now) {
    requestAnimationFrame(this.frame);
    if (!this.project.state?.photo || !this.view.photo) return;
    if (this.stale) this.overlaid = false;
    if (!this.overlaid) this.drawMarks();
    if (this.preview?.busy) return;
    const passed = now - (this.last ?? now);
    this.last = now;
    const seconds = this.project.settings.seconds ?? 4;
    const moving = this.playing && !this.before && this.fixed === null && this.motion;
    if (moving) this.loop = (this.loop + Math.min(passed, 1000) / 1000 / seconds) % 1;
    if (this.fixed !== null) this.loop = this.fixed;
    if (moving || this.view.drawing) this.measure(passed);
    if (!moving && !this.stale) return;
    this.stale = false;
    this.paint(moving);
  }

  drawMarks() {
    this.overlaid = true;
    this.drawOverlay();
    this.marks.draw();
  }

  paint(moving = false) {
    const { view, preview, project } = this;
    if (!preview) return;
    const ratio = devicePixelRatio * QUALITIES[moving || view.drawing ? this.level : 0];
    const width = Math.round(view.width * ratio), height = Math.round(view.height * ratio);
    if (this.gl.width !== width || this.gl.height !== height) Object.assign(this.gl, { width, height });
    const { strength = 1, cycle = false } = project.settings;
    const share = cycle ? 0.5 - 0.5 * Math.cos(2 * Math.PI * this.loop) : 1;
    preview.frame(this.loop, { view: view.window, tint: this.tint && !this.before ? 0.3 : 0, before: this.before,
      backdrop: this.backdrop, strength: strength * share });
  }

  // Frame times, and a smaller picture where they are too long.
  measure(passed) {
    this.times.push(passed);
    if (this.times.length > 600) this.times.shift();
    const recent = this.times.slice(-24);
    if (passed > 8 * SLOW && this.times.at(-2) > 8 * SLOW) this.level = this.best = QUALITIES.length - 1;
    if (recent.length < 24 || this.times.length % 24) return;
    const typical = recent.sort((a, b) => a - b)[16];
    if (typical > SLOW && this.level < QUALITIES.length - 1) { this.level++; this.best = this.level; }
    else if (typical < FAST && this.level > this.best) this.level--;
  }

  // The part in sight at full size, where the working size is too coarse for it.
  wantTile() {
    clearTimeout(this.tileTimer);
    const { view, project, preview } = this;
    if (!preview || !project.state?.photo) return;
    const { photo } = project.state, coarse = photo.work.width / photo.width;
    if (coarse >= 1 || view.scale * devicePixelRatio < 1.2 * coarse) { if (preview.tile) preview.setTile(null); return; }
    this.tileTimer = setTimeout(() => this.fetchTile(), 200);
  }

  async fetchTile() {
    const { view, project, preview } = this, { photo } = project.state;
    const a = view.toPhoto(0, 0), b = view.toPhoto(view.width, view.height);
    const x = Math.max(0, Math.floor(a.x)), y = Math.max(0, Math.floor(a.y));
    const width = Math.min(photo.width, Math.ceil(b.x)) - x, height = Math.min(photo.height, Math.ceil(b.y)) - y;
    if (width < 2 || height < 2 || Math.max(width, height) > MOST_TILE * 1.6) return;
    const key = [x, y, width, height].join(',');
    if (this.tileKey === key && preview.tile) return;
    this.tileKey = key;
    const answer = await call(`photo.jpg?tile=${key}`).catch(() => null);
    const bitmap = answer && await createImageBitmap(await answer.blob());
    if (this.tileKey !== key || !bitmap) return;
    preview.setTile(bitmap, { x: x / photo.width, y: y / photo.height, width: width / photo.width, height: height / photo.height });
    this.stale = true;
  }

  drawOverlay() {
    const { view, overlay } = this, ratio = devicePixelRatio;
    const width = Math.round(view.width * ratio), height = Math.round(view.height * ratio);
    if (overlay.width !== width || overlay.height !== height) Object.assign(overlay, { width, height });
    const ink = overlay.getContext('2d');
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink.clearRect(0, 0, view.width, view.height);
    if (this.flow && this.motion && !this.before) this.drawFlow(ink);
    if (this.drawn) this.drawDrag(ink, this.drawn);
    if (view.cursor && this.tool?.brush) ring(ink, view.cursor, OPTIONS.size / 2 * view.cursor.pressure);
    if (this.pointer) cross(ink, this.view.toScreen(this.pointer.x, this.pointer.y));
  }

  // Arrows of half a second's travel, within limits, in the colours of kinds.
  drawFlow(ink) {
    const { view, motion, project } = this, { photo } = project.state, { work } = photo;
    ink.lineCap = ink.lineJoin = 'round';
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
  }

  drawDrag(ink, [x0, y0, x1, y1]) {
    const a = this.view.toScreen(x0, y0), b = this.view.toScreen(x1, y1);
    ink.lineCap = ink.lineJoin = 'round';
    arrow(ink, a.x, a.y, b.x, b.y, 12, 3.5, '#ffd54a');
    const share = 100 * Math.hypot(x1 - x0, y1 - y0) / this.project.state.photo.width;
    label(ink, `${share.toFixed(1)} % of the width a second`, b.x + 14, b.y - 14);
  }

  // Which kinds move, in their colours, with their median speed.
  showLegend() {
    const { motion, project } = this, { work } = project, speeds = new Map();
    for (let y = 0, i = 0; y < motion.h; y++) {
      for (let x = 0; x < motion.w; x++, i++) {
        const place = Math.floor((y + 0.5) * work.height / motion.h) * work.width + Math.floor((x + 0.5) * work.width / motion.w);
        if (!motion.kinds[i] || project.mask[place] < 77) continue;
        if (!speeds.has(motion.kinds[i])) speeds.set(motion.kinds[i], []);
        speeds.get(motion.kinds[i]).push(Math.hypot(motion.x[i], motion.y[i]));
      }
    }
    const rows = [...speeds].filter(([, list]) => list.length > 0.002 * motion.w * motion.h).map(([kind, list]) => {
      const row = document.createElement('li'), chip = document.createElement('i');
      chip.style.background = colourOf(KIND_NAMES[kind]);
      const median = list.sort((a, b) => a - b)[list.length >> 1];
      row.append(chip, `${KIND_NAMES[kind]} `, Object.assign(document.createElement('small'),
        { textContent: `${(100 * median).toFixed(1)} %/s` }));
      return row;
    });
    this.legend.replaceChildren(...rows);
  }

  // What the motion says about a place of the photo, in words.
  said({ x, y }) {
    const { motion, project } = this, { photo, work } = project.state.photo ? { photo: project.state.photo, work: project.work } : {};
    if (!motion) return '';
    const place = Math.floor(y * work.height / photo.height) * work.width + Math.floor(x * work.width / photo.width);
    if (!(project.mask[place] > 20)) return 'stands still';
    const cell = Math.floor(y * motion.h / photo.height) * motion.w + Math.floor(x * motion.w / photo.width);
    const speed = 100 * Math.hypot(motion.x[cell], motion.y[cell]), cycles = motion.cycles[cell];
    const times = cycles === 1 ? 'one cycle' : `${cycles} cycles`;
    return `${KIND_NAMES[motion.kinds[cell]] ?? 'moves'}, ${speed.toFixed(1)} % of the width a second, ${times}`;
  }

  // Ask what is at a place of the photo.
  askKind(point) {
    const { project, kindMenu } = this, { width, height } = project.state.photo;
    if (point.x < 0 || point.y < 0 || point.x >= width || point.y >= height) return;
    const at = [point.x, point.y].map((v) => Math.round(10 * v) / 10);
    const choose = (kind) => {
      kindMenu.hidden = true;
      project.edit('kinds', [...project.state.kinds, { kind, at }], 'kind');
      this.view.element.focus();
    };
    const title = Object.assign(document.createElement('p'), { textContent: `Here: ${this.said(point)}` });
    const items = project.state.kinds_known.map((kind) => {
      const item = document.createElement('button'), chip = document.createElement('i');
      chip.style.background = colourOf(kind);
      item.append(chip, kind);
      item.setAttribute('role', 'menuitem');
      item.onclick = () => choose(kind);
      return item;
    });
    kindMenu.replaceChildren(title, ...items);
    kindMenu.hidden = false;
    const room = kindMenu.parentElement;
    kindMenu.style.left = `${Math.max(4, Math.min(point.sx, room.clientWidth - kindMenu.offsetWidth - 8))}px`;
    kindMenu.style.top = `${Math.max(4, Math.min(point.sy, room.clientHeight - kindMenu.offsetHeight - 8))}px`;
    items[0].focus();
  }
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

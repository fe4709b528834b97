// What the middle of the page shows: the moving photo, arrows of the motion, marks, the tool's outline.

import { call } from './state.js';
import { decodeMotion, prepareField } from './field.js';
import { Marks } from './marks.js';
import { drawOverlay } from './overlay.js';
import { Preview } from './preview.js';
import { legendRows } from './words.js';

const QUALITIES = [1, 0.75, 0.5, 0.35]; // canvas px per screen px: less where a frame takes too long
const SLOW = 28, FAST = 14; // ms a frame
const REFILL = 160; // ms between two fillings of the layer while one paints
const MOST_TILE = 2048 * 2048; // px of the full-size part in sight that the server gives

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
    if (!box || over || (now - (this.refilled ?? 0) > REFILL && !preview.software)) {
      preview.refill();
      this.refilled = now;
    }
    this.stale = true;
  }

  moved(buffer) {
    this.motion = decodeMotion(buffer);
    this.motionSpeed = this.project.settings.speed ?? 1;
    this.fieldOf();
    this.legend.replaceChildren(...legendRows(this.motion, this.project));
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
    drawOverlay(this);
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
    if (width < 2 || height < 2 || width * height > MOST_TILE) return;
    const key = [x, y, width, height].join(',');
    if (this.tileKey === key && preview.tile) return;
    this.tileKey = key;
    const answer = await call(`photo.jpg?tile=${key}`).catch(() => null);
    const bitmap = answer && await createImageBitmap(await answer.blob());
    if (this.tileKey !== key || !bitmap) return;
    preview.setTile(bitmap, { x: x / photo.width, y: y / photo.height, width: width / photo.width, height: height / photo.height });
    this.stale = true;
  }
}

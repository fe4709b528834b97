// Zoom and pan of the photo, and pointers: mouse, pen and touch. Places handed on are in photo pixels.

const MOST = 16; // css px per photo px

// Calls `tool()` for what has the tool's methods: down, move, up, cancel ({x, y, pressure, event}) and wheel (event → true
// when it has used it). Events: "view".
export class View extends EventTarget {
  constructor(element, tool) {
    super();
    Object.assign(this, { element, tool, scale: 1, left: 0, top: 0, photo: null, fitted: true, pointers: new Map(), held: false });
    const on = (name, handler, options) => element.addEventListener(name, handler, options);
    on('pointerdown', (e) => this.down(e));
    on('pointermove', (e) => this.move(e));
    on('pointerup', (e) => this.up(e));
    on('pointercancel', (e) => this.up(e, true));
    on('pointerleave', () => { this.cursor = null; this.changed(); });
    on('wheel', (e) => this.wheel(e), { passive: false });
    on('contextmenu', (e) => e.preventDefault());
    new ResizeObserver(() => this.resized()).observe(element);
  }

  get width() { return this.element.clientWidth; }
  get height() { return this.element.clientHeight; }

  changed() { this.dispatchEvent(new Event('view')); }

  setPhoto(photo) {
    this.photo = photo;
    this.fit();
  }

  resized() {
    if (this.fitted) this.fit();
    else this.changed();
  }

  fit() {
    if (!this.photo || !this.width) return;
    const { width, height } = this.photo, edge = Math.min(16, 0.02 * this.width);
    this.scale = this.least = Math.min((this.width - 2 * edge) / width, (this.height - 2 * edge) / height);
    this.left = (this.width - width * this.scale) / 2;
    this.top = (this.height - height * this.scale) / 2;
    this.fitted = true;
    this.changed();
  }

  // Zoom by a factor about a place of the element, its middle by default.
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(MOST, Math.max(Math.min(this.least, 1) / 2, this.scale * factor));
    this.left = x - (x - this.left) * scale / this.scale;
    this.top = y - (y - this.top) * scale / this.scale;
    this.scale = scale;
    this.pan(0, 0);
  }

  full(x, y) { this.zoom(1 / (this.scale * devicePixelRatio), x, y); }

  // Some of the photo stays in sight.
  pan(dx, dy) {
    const { width, height } = this.photo, keep = 60;
    this.left = Math.min(this.width - keep, Math.max(keep - width * this.scale, this.left + dx));
    this.top = Math.min(this.height - keep, Math.max(keep - height * this.scale, this.top + dy));
    this.fitted = false;
    this.changed();
  }

  toPhoto(x, y) { return { x: (x - this.left) / this.scale, y: (y - this.top) / this.scale }; }
  toScreen(x, y) { return { x: this.left + x * this.scale, y: this.top + y * this.scale }; }

  // [left, bottom, width, height] in shares of the photo, height below 0: what the preview's shader is given.
  get window() {
    const { width, height } = this.photo;
    const a = this.toPhoto(0, this.height), b = this.toPhoto(this.width, 0);
    return [a.x / width, a.y / height, (b.x - a.x) / width, (b.y - a.y) / height];
  }

  point(event) {
    const box = this.element.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const pressure = event.pointerType === 'pen' ? Math.max(0.1, event.pressure) : 1;
    return { ...this.toPhoto(x, y), sx: x, sy: y, pressure, event };
  }

  down(event) {
    if (!this.photo || event.target.closest?.('[data-mark]')) return;
    this.element.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const point = this.point(event);
    this.pointers.set(event.pointerId, point);
    if (this.pointers.size === 2) {
      if (this.drawing) this.tool().cancel?.();
      this.drawing = false;
      this.panning = true;
    } else if (event.button === 1 || this.held) this.panning = true;
    else { this.drawing = true; this.tool().down?.(point); }
  }

  move(event) {
    if (!this.photo) return;
    const before = this.pointers.get(event.pointerId), point = this.point(event);
    this.cursor = point;
    if (!before) { this.tool().hover?.(point); this.changed(); return; }
    if (this.pointers.size >= 2) this.pinch(event.pointerId, before, point);
    else if (this.panning) this.pan(point.sx - before.sx, point.sy - before.sy);
    else if (this.drawing) {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const e of all.length ? all : [event]) this.tool().move?.(this.point(e));
    }
    this.pointers.set(event.pointerId, point);
    this.changed();
  }

  pinch(id, before, point) {
    const [other] = [...this.pointers].find(([key]) => key !== id).slice(1);
    const apart = (p) => Math.hypot(p.sx - other.sx, p.sy - other.sy);
    this.pan((point.sx - before.sx) / 2, (point.sy - before.sy) / 2);
    this.zoom(apart(point) / Math.max(1, apart(before)), (point.sx + other.sx) / 2, (point.sy + other.sy) / 2);
  }

  up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.drawing) {
      if (cancelled) this.tool().cancel?.();
      else this.tool().up?.(this.point(event));
    }
    this.drawing = false;
    if (!this.pointers.size) this.panning = false;
    if (event.pointerType === 'touch') this.cursor = null;
    this.changed();
  }

  wheel(event) {
    if (!this.photo) return;
    event.preventDefault();
    if (!event.ctrlKey && !event.metaKey && this.tool().wheel?.(event)) { this.changed(); return; }
    const { sx, sy } = this.point(event);
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), sx, sy);
  }
}

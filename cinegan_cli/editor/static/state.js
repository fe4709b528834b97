// The project as the server keeps it: loading, edits with undo and redo, and saving by itself after each of them.

import { decodeGrey, encodeGrey } from './png.js';

const MOST_STEPS = 300;
const TOGETHER = 700; // ms within which changes of one setting are one step of undo
const NOT_MOTION = new Set(['target', 'strength', 'cycle', 'max_side', 'fps', 'backbone', 'light', 'light_cycle', 'wind_set']);

export class Trouble extends Error {}

export async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`api/${path}`, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Trouble('The server does not answer. Start `cinegan edit` again: nothing that was saved is lost.');
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  const trouble = new Trouble(body.error ?? `The server answered ${answer.status}.`);
  trouble.status = answer.status;
  throw trouble;
}

export const json = async (path, method, value) => (await call(path, value === undefined ? { method }
  : { method, body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' } })).json();

// Events: "opened", "changed" (detail: what), "plane" (detail {name, box}), "motion", "saving", "saved", "trouble".
export class Project extends EventTarget {
  constructor() {
    super();
    this.done = [];
    this.undone = [];
    this.unsaved = new Set();
    this.saving = null;
  }

  tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  async open() {
    this.state = await json('state', 'GET');
    await this.opened();
  }

  async upload(file) {
    await this.flush();
    const name = encodeURIComponent(file.name ?? '');
    this.state = await (await call(`photo?name=${name}`, { method: 'POST', body: file })).json();
    await this.opened();
  }

  async opened() {
    this.done = [];
    this.undone = [];
    this.unsaved.clear();
    if (this.state.photo) {
      const { width, height } = this.work;
      const picture = call('photo.jpg').then((a) => a.blob()).then((b) => createImageBitmap(b));
      this.bitmap = await picture;
      this.mask = new Uint8Array(width * height);
      this.freeze = new Uint8Array(width * height);
      this.tell('opened');
      await Promise.all([this.fetchPlane('mask'), this.fetchPlane('freeze')]);
      await this.fetchMotion();
    } else this.tell('opened');
  }

  get work() { return this.state.photo.work; }
  get settings() { return this.state.settings; }

  async fetchPlane(name) {
    const { width, height } = this.work;
    const answer = await call(`${name}.png`).catch((error) => { if (error.status !== 404) throw error; });
    if (answer) this[name].set(await decodeGrey(await answer.blob(), width, height));
    this.tell('plane', { name });
  }

  async fetchMotion() {
    this.fetching?.abort();
    const mine = this.fetching = new AbortController();
    this.tell('finding', true);
    try {
      const answer = await call(`motion?version=${this.state.version}`, { signal: mine.signal });
      this.tell('motion', await answer.arrayBuffer());
    } catch (error) {
      if (error.name !== 'AbortError' && error.status !== 409) this.tell('trouble', error);
    } finally {
      if (this.fetching === mine) this.tell('finding', false);
    }
  }

  // Replace a part ("settings", "arrows", "anchors", "kinds"); `label` names the step for the reader of the screen.
  edit(part, value, label) {
    const before = this.state[part], last = this.done.at(-1), now = performance.now();
    if (JSON.stringify(before) === JSON.stringify(value)) return;
    if (last?.part === part && last.label === label && now - last.at < TOGETHER && part === 'settings') {
      Object.assign(last, { after: value, at: now });
      this.undone = [];
    } else this.remember({ part, before, after: value, label, at: now });
    this.put(part, value);
  }

  set(name, value) { this.edit('settings', { ...this.settings, [name]: value }, name); }

  put(part, value) {
    const old = this.state[part];
    this.state[part] = value;
    const moves = part !== 'settings' || Object.keys(value).some((k) => value[k] !== old[k] && !NOT_MOTION.has(k));
    if (moves) this.stale = true;
    if (part === 'settings' && value.move !== old.move && !this.state.hand.mask) this.remask = true;
    this.tell('changed', part);
    this.save('edits');
  }

  // A stroke is over: `box` of plane `name` was `before` (uint8, the box alone).
  painted(name, box, before) {
    this.remember({ plane: name, box, before, after: this.cut(name, box), byHand: this.state.hand[name], label: name });
    this.state.hand[name] = true;
    this.stale = true;
    this.save(name);
  }

  // Give up what was painted: the mask that was found, or nothing frozen.
  async reset(name) {
    if (!this.state.hand[name]) return;
    const { width, height } = this.work, box = { x: 0, y: 0, width, height }, before = this[name].slice();
    await this.flush();
    this.state.version = (await json(name, 'DELETE')).version;
    this.state.hand[name] = false;
    if (name === 'freeze') { this.freeze.fill(0); this.tell('plane', { name }); } else await this.fetchPlane(name);
    this.remember({ plane: name, box, before, after: this[name].slice(), byHand: true, reset: true, label: name });
    this.tell('changed', name);
    await this.fetchMotion();
  }

  cut(name, { x, y, width, height }) {
    const out = new Uint8Array(width * height);
    for (let r = 0; r < height; r++) {
      const from = (y + r) * this.work.width + x;
      out.set(this[name].subarray(from, from + width), r * width);
    }
    return out;
  }

  paste(name, { x, y, width, height }, values) {
    for (let r = 0; r < height; r++) this[name].set(values.subarray(r * width, (r + 1) * width), (y + r) * this.work.width + x);
    this.tell('plane', { name, box: { x, y, width, height }, over: true });
  }

  remember(step) {
    this.done.push(step);
    if (this.done.length > MOST_STEPS) this.done.shift();
    this.undone = [];
    this.tell('history');
  }

  undo() { this.step(this.done, this.undone, 'before'); }
  redo() { this.step(this.undone, this.done, 'after'); }

  step(from, to, side) {
    const step = from.pop();
    if (!step) return;
    to.push(step);
    if (step.plane) {
      this.paste(step.plane, step.box, step[side]);
      this.state.hand[step.plane] = side === 'before' ? step.byHand : !step.reset;
      this.stale = true;
      this.save(step.plane);
      this.tell('changed', step.plane);
    } else this.put(step.part, step[side]);
    this.tell('history', { label: step.label, side });
  }

  save(what) {
    this.unsaved.add(what);
    this.tell('saving');
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), 120);
  }

  // Send what is unsaved, one request after the other; then the motion, if it has changed.
  flush() {
    if (!this.saving && !this.unsaved.size) return Promise.resolve();
    this.saving ??= this.sendAll().finally(() => { this.saving = null; if (this.unsaved.size && !this.failed) this.flush(); });
    return this.saving;
  }

  async sendAll() {
    clearTimeout(this.timer);
    this.failed = false;
    while (this.unsaved.size) {
      const [what] = this.unsaved;
      this.unsaved.delete(what);
      try {
        this.state.version = (await this.send(what)).version;
      } catch (error) {
        this.failed = error.status === undefined; // no server: keep what it has not seen, and try again
        if (this.failed) { this.unsaved.add(what); setTimeout(() => this.flush(), 2000); }
        this.tell('trouble', error);
        if (!this.failed && what === 'edits') await this.takeBack();
        if (this.failed) return;
      }
    }
    this.tell('saved');
    if (this.remask && !this.state.hand.mask) { this.remask = false; await this.fetchPlane('mask'); }
    if (this.stale) { this.stale = false; this.fetchMotion(); }
  }

  async send(what) {
    if (what === 'title') return json('title', 'PUT', { title: this.state.title });
    if (what === 'edits') {
      const { settings, arrows, anchors, kinds } = this.state;
      return json('edits', 'PUT', { settings, arrows, anchors, kinds });
    }
    if (!this.state.hand[what]) return json(what, 'DELETE');
    const { width, height } = this.work;
    const body = await encodeGrey(this[what], width, height);
    return (await call(what, { method: 'PUT', body, headers: { 'Content-Type': 'image/png' } })).json();
  }

  // The server refused the edits: show what it has.
  async takeBack() {
    const theirs = await json('state', 'GET');
    for (const part of ['settings', 'arrows', 'anchors', 'kinds']) this.state[part] = theirs[part];
    this.done.pop();
    this.tell('changed', 'settings');
    this.tell('history');
  }
}

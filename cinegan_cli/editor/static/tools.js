// What a pointer does to the project. A tool has a name, a key, an icon, and down, move, up, cancel, hover, wheel.

import { Stroke } from './paint.js';
import { askKind } from './words.js';

const LEAST_DRAG = 4; // css px: shorter drags are clicks

export const OPTIONS = { size: 60, soft: 0.5, speed: 1, snap: false, tolerance: 40, thaw: false };

export function makeTools(project, view, stage) {
  const brush = (plane, value) => painter(project, view, stage, plane, value);
  return {
    hand: { label: 'Hand: move the view', key: 'h', icon: 'hand', cursor: 'grab', ...panner(view) },
    brush: { label: 'Brush: let it move', key: 'm', icon: 'brush', options: ['size', 'soft', 'speed', 'snap'],
      ...brush('mask', () => Math.round(255 * OPTIONS.speed)) },
    eraser: { label: 'Eraser: let it stand still', key: 'e', icon: 'eraser', options: ['size', 'soft', 'snap'],
      ...brush('mask', () => 0) },
    freeze: { label: 'Freeze: must stand still', key: 'z', icon: 'freeze', options: ['size', 'soft', 'snap', 'thaw'],
      ...brush('freeze', () => (OPTIONS.thaw ? 0 : 255)) },
    arrow: { label: 'Arrow: it flows this way, so fast', key: 'a', icon: 'arrow', ...drawer(project, view, stage) },
    anchor: { label: 'Anchor: this point stays', key: 'n', icon: 'anchor', ...pinner(project, stage) },
    kind: { label: 'Kind: say what this is', key: 'k', icon: 'kind', ...namer(stage) },
  };
}

function panner(view) {
  let last = null;
  return {
    down: (p) => { last = p; },
    move: (p) => { if (last) view.pan(p.sx - last.sx, p.sy - last.sy); last = p; },
    up: () => { last = null; },
    cancel: () => { last = null; },
  };
}

function painter(project, view, stage, name, value) {
  let stroke = null;
  const end = () => { const ended = stroke; stroke = null; return ended; };
  const draw = (p) => {
    const { width, height } = project.work, { photo } = project.state;
    return stroke.to(p.x * width / photo.width, p.y * height / photo.height, p.pressure);
  };
  const show = (box) => { if (box) project.tell('plane', { name, box }); };
  return {
    brush: true,
    down(p) {
      const { width, height } = project.work;
      const turned = p.event?.button === 2 || p.event?.button === 5; // the other button, or the pen's eraser
      const size = OPTIONS.size / view.scale * width / project.state.photo.width;
      const snap = OPTIONS.snap !== Boolean(p.event?.altKey);
      stroke = new Stroke(project[name], width, height, { value: turned ? 255 - value() : value(), size,
        soft: OPTIONS.soft, picture: snap ? stage.pixels() : null, tolerance: OPTIONS.tolerance });
      show(draw(p));
    },
    move(p) { if (stroke) show(draw(p)); },
    up() {
      const ended = end();
      if (ended?.box) { project.painted(name, ended.box, ended.old()); project.tell('plane', { name, box: ended.box, over: true }); }
    },
    cancel() {
      const ended = end();
      if (ended) { ended.undo(); project.tell('plane', { name, box: ended.box, over: true }); }
    },
    wheel(event) {
      OPTIONS.size = Math.min(400, Math.max(3, OPTIONS.size * Math.exp(-event.deltaY * 0.0015)));
      project.tell('options');
      return true;
    },
  };
}

function drawer(project, view, stage) {
  let from = null;
  return {
    down(p) { from = p; stage.drawn = null; },
    move(p) { if (from) stage.show({ drawn: [from.x, from.y, p.x, p.y] }); },
    up(p) {
      const start = from;
      from = null;
      stage.show({ drawn: null });
      if (!start || Math.hypot(p.sx - start.sx, p.sy - start.sy) < LEAST_DRAG) return;
      const arrow = [start, p].flatMap((q) => inside(project, q));
      project.edit('arrows', [...project.state.arrows, arrow], 'arrow');
    },
    cancel() { from = null; stage.show({ drawn: null }); },
  };
}

function pinner(project, stage) {
  return { up(p) { project.edit('anchors', [...project.state.anchors, inside(project, p)], 'anchor'); stage.show({}); } };
}

function namer(stage) {
  return { up(p) { askKind(p, stage); } };
}

function inside(project, { x, y }) {
  const { width, height } = project.state.photo;
  const round = (v, most) => Math.round(10 * Math.min(most - 1, Math.max(0, v))) / 10;
  return [round(x, width), round(y, height)];
}

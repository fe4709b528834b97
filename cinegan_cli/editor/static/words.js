// What moves, in words: the legend, a place of the photo, and the menu that asks what is there.

import { colourOf, KIND_NAMES } from './kinds.js';

// Which kinds move, in their colours, with their median speed.
export function legendRows(motion, project) {
  const { work } = project, speeds = new Map();
  for (let y = 0, i = 0; y < motion.h; y++) {
    for (let x = 0; x < motion.w; x++, i++) {
      const place = Math.floor((y + 0.5) * work.height / motion.h) * work.width + Math.floor((x + 0.5) * work.width / motion.w);
      if (!motion.kinds[i] || project.mask[place] < 77) continue;
      if (!speeds.has(motion.kinds[i])) speeds.set(motion.kinds[i], []);
      speeds.get(motion.kinds[i]).push(Math.hypot(motion.x[i], motion.y[i]));
    }
  }
  return [...speeds].filter(([, list]) => list.length > 0.002 * motion.w * motion.h).map(([kind, list]) => {
    const row = document.createElement('li'), chip = document.createElement('i');
    chip.style.background = colourOf(KIND_NAMES[kind]);
    const median = list.sort((a, b) => a - b)[list.length >> 1];
    row.append(chip, `${KIND_NAMES[kind]} `, Object.assign(document.createElement('small'),
      { textContent: `${(100 * median).toFixed(1)} %/s` }));
    return row;
  });
}

// What the motion says about a place of the photo, in words.
export function said(motion, project, { x, y }) {
  if (!motion) return '';
  const { photo } = project.state, { work } = photo;
  const place = Math.floor(y * work.height / photo.height) * work.width + Math.floor(x * work.width / photo.width);
  if (!(project.mask[place] > 20)) return 'stands still';
  const cell = cellAt(motion, project, { x, y });
  const speed = 100 * Math.hypot(motion.x[cell], motion.y[cell]), cycles = motion.cycles[cell];
  const times = cycles === 1 ? 'one cycle' : `${cycles} cycles`;
  return `${KIND_NAMES[motion.kinds[cell]] ?? 'moves'}, ${speed.toFixed(1)} % of the width a second, ${times}`;
}

// A choice of how often what is of the kind at `point` runs through its cycle.
function cyclesHere(point, project, motion) {
  const kind = motion && KIND_NAMES[motion.kinds[cellAt(motion, project, point)]];
  if (!project.state.kinds_known.includes(kind)) return [];
  const [all, ...others] = (project.settings.cycles ?? 'auto').split(',');
  const own = new Map(others.map((part) => part.split('=')));
  const label = Object.assign(document.createElement('label'), { className: 'field', textContent: `Cycles of ${kind}` });
  const choice = document.createElement('select');
  choice.append(...['', '1', '2', '3', '4', '6', '8', '12'].map((n) => new Option(n || 'as found', n, false, n === (own.get(kind) ?? ''))));
  choice.onchange = () => {
    if (choice.value) own.set(kind, choice.value); else own.delete(kind);
    project.set('cycles', [all, ...[...own].map((pair) => pair.join('='))].join(','));
  };
  label.append(choice);
  return [label];
}

function cellAt(motion, { state: { photo } }, { x, y }) {
  return Math.floor(y * motion.h / photo.height) * motion.w + Math.floor(x * motion.w / photo.width);
}

// Ask what is at a place of the photo.
export function askKind(point, { project, view, motion, kindMenu }) {
  const { width, height } = project.state.photo;
  if (point.x < 0 || point.y < 0 || point.x >= width || point.y >= height) return;
  const at = [point.x, point.y].map((v) => Math.round(10 * v) / 10);
  const choose = (kind) => {
    kindMenu.hidden = true;
    project.edit('kinds', [...project.state.kinds, { kind, at }], 'kind');
    view.element.focus();
  };
  const title = Object.assign(document.createElement('p'), { textContent: `Here: ${said(motion, project, point)}` });
  const items = project.state.kinds_known.map((kind) => {
    const item = document.createElement('button'), chip = document.createElement('i');
    chip.style.background = colourOf(kind);
    item.append(chip, kind);
    item.setAttribute('role', 'menuitem');
    item.onclick = () => choose(kind);
    return item;
  });
  kindMenu.replaceChildren(title, ...items, ...cyclesHere(point, project, motion));
  kindMenu.hidden = false;
  const room = kindMenu.parentElement;
  kindMenu.style.left = `${Math.max(4, Math.min(point.sx, room.clientWidth - kindMenu.offsetWidth - 8))}px`;
  kindMenu.style.top = `${Math.max(4, Math.min(point.sy, room.clientHeight - kindMenu.offsetHeight - 8))}px`;
  items[0].focus();
}

// Every key. On the photo the arrow keys move a pointer, and Enter presses and releases the tool.

import { said } from './words.js';

const STEP = 12, FINE = 2; // css px

export const KEYS = [
  ['M', 'brush'], ['E', 'eraser'], ['Z', 'freeze'], ['A', 'arrow'], ['N', 'anchor'], ['K', 'kind'], ['H', 'move the view'],
  ['[ and ]', 'smaller, larger brush'], ['S', 'snap to edges'], ['Space, held', 'move the view'],
  ['Ctrl+Z, Ctrl+Shift+Z', 'undo, redo'], ['P', 'move or hold still'], ['T', 'tint'], ['F', 'arrows of the flow'],
  ['B', 'the photo as it was'], ['R', 'true render'], ['+ and -', 'zoom'], ['0, 1', 'show all, full size'],
  ['Arrow keys, Enter', 'on the photo: move the pointer, press and release'], ['Tab, arrow keys, Delete', 'on an arrow or a point: choose, move, remove'],
  ['Ctrl+O, Ctrl+E', 'open, export'], ['?', 'this list'],
];

// `actions` maps keys ("p", "ctrl+z", …) to functions.
export function bindKeys(stage, view, actions) {
  addEventListener('keydown', (event) => {
    const typing = event.target.matches?.('input:not([type=checkbox]):not([type=radio]):not([type=range]), select, textarea');
    if (document.querySelector('dialog[open]') || (typing && !event.ctrlKey && !event.metaKey)) return;
    const command = event.ctrlKey || event.metaKey;
    if (event.key === ' ' && event.target === view.element) { view.held = true; event.preventDefault(); return; }
    if (event.target === view.element && !command && pointed(event, stage, view)) { event.preventDefault(); return; }
    const key = (command ? 'ctrl+' : '') + (event.shiftKey && command ? 'shift+' : '') + event.key.toLowerCase();
    if (event.altKey || !actions[key]) return;
    actions[key]();
    event.preventDefault();
  });
  addEventListener('keyup', (event) => { if (event.key === ' ') view.held = false; });
}

function pointed(event, stage, view) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!view.photo || (!way && event.key !== 'Enter' && event.key !== 'Escape')) return false;
  const at = stage.pointer ?? view.toPhoto(view.width / 2, view.height / 2);
  const point = ({ x, y }) => ({ x, y, ...screen(view, x, y), pressure: 1, event: null });
  if (way) {
    const step = (event.shiftKey ? FINE : STEP) / view.scale;
    const x = Math.min(view.photo.width - 1, Math.max(0, at.x + way[0] * step));
    const y = Math.min(view.photo.height - 1, Math.max(0, at.y + way[1] * step));
    stage.show({ pointer: { x, y } });
    if (stage.pressed) stage.tool.move?.(point({ x, y }));
    else stage.project.tell('say', said(stage.motion, stage.project, { x, y }));
  } else if (event.key === 'Escape') {
    if (stage.pressed) stage.tool.cancel?.();
    stage.show({ pressed: false, pointer: null });
  } else {
    const pressed = !stage.pressed && Boolean(stage.tool.down);
    if (pressed) stage.tool.down(point(at));
    else stage.tool.up?.(point(at));
    stage.show({ pressed, pointer: at });
  }
  return true;
}

function screen(view, x, y) {
  const at = view.toScreen(x, y);
  return { sx: at.x, sy: at.y };
}

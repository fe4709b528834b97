// Arrows, anchors and kinds that the user has set: shown over the photo, dragged, moved by keys, taken away.

import { colourOf } from './kinds.js';

const SVG = 'http://www.w3.org/2000/svg';
const STEP = 4, LARGE = 20; // css px that an arrow key moves
const TWICE = 350; // ms between two presses that remove a mark

export class Marks {
  constructor(project, view, svg) {
    Object.assign(this, { project, view, svg, dragged: null });
    svg.addEventListener('pointerdown', (e) => this.down(e));
    svg.addEventListener('pointermove', (e) => this.move(e));
    svg.addEventListener('pointerup', () => this.up());
    svg.addEventListener('pointercancel', () => { this.dragged = null; this.draw(); });
    svg.addEventListener('keydown', (e) => this.key(e));
  }

  // All of them where the view is now; elements are kept, so that focus is.
  draw() {
    const { arrows, anchors, kinds } = this.project.state;
    const wanted = [...arrows.map((value, i) => ['arrows', i, value]), ...anchors.map((value, i) => ['anchors', i, value]),
      ...kinds.flatMap((value, i) => (value.at ? [['kinds', i, value]] : []))];
    while (this.svg.children.length > wanted.length) this.svg.lastChild.remove();
    wanted.forEach(([part, index, value], k) => {
      const shown = this.dragged?.part === part && this.dragged.index === index ? this.dragged.value : value;
      let group = this.svg.children[k];
      if (!group || group.dataset.part !== part) {
        const made = this.make(part);
        if (group) group.replaceWith(made); else this.svg.append(made);
        group = made;
      }
      group.dataset.index = index;
      this.place(group, part, index, shown);
    });
  }

  make(part) {
    const group = element('g', { tabindex: 0, role: 'button', 'data-mark': '', 'data-part': part });
    if (part === 'arrows') {
      for (const name of ['hit', 'edge', 'line']) group.append(element('path', { class: name, 'data-end': 'both' }));
      group.append(element('circle', { class: 'end', r: 6, 'data-end': 'tail' }), element('circle', { class: 'tip', r: 11, 'data-end': 'tip' }));
    } else if (part === 'anchors') {
      group.append(element('circle', { class: 'pin', r: 9 }), element('path', { class: 'cross', d: 'M-4-4 4 4M4-4-4 4' }));
    } else group.append(element('rect', { class: 'tag', y: -12, height: 24, rx: 12 }), element('circle', { r: 5, cx: 2 }), element('text', { x: 13, y: 4 }));
    return group;
  }

  place(group, part, index, value) {
    const at = part === 'kinds' ? value.at : value;
    const { x, y } = this.view.toScreen(at[0], at[1]);
    if (part === 'arrows') {
      const tip = this.view.toScreen(value[2], value[3]), angle = Math.atan2(tip.y - y, tip.x - x);
      const wing = (side) => `${tip.x - 14 * Math.cos(angle + side)} ${tip.y - 14 * Math.sin(angle + side)}`;
      const d = `M${x} ${y}L${tip.x} ${tip.y}M${wing(0.5)}L${tip.x} ${tip.y} ${wing(-0.5)}`;
      for (const path of group.querySelectorAll('path')) path.setAttribute('d', d);
      const [tail, head] = group.querySelectorAll('circle');
      set(tail, { cx: x, cy: y });
      set(head, { cx: tip.x, cy: tip.y });
      const share = 100 * Math.hypot(value[2] - value[0], value[3] - value[1]) / this.project.state.photo.width;
      const degrees = Math.round((-angle * 180 / Math.PI + 360) % 360);
      set(group, { 'aria-label': `Arrow ${index + 1}: ${share.toFixed(1)} % of the width a second, towards ${degrees}°` });
      return;
    }
    set(group, { transform: `translate(${x} ${y})`, 'aria-label': part === 'anchors' ? `Anchor ${index + 1}` : `${value.kind}, said here` });
    if (part === 'kinds') {
      group.querySelector('text').textContent = value.kind;
      set(group.querySelector('rect'), { x: -9, width: 28 + 7 * value.kind.length });
      group.querySelector('circle').style.fill = colourOf(value.kind);
    }
  }

  down(event) {
    const group = event.target.closest('[data-mark]');
    if (!group || event.button) return;
    event.stopPropagation();
    group.focus({ preventScroll: true });
    this.svg.setPointerCapture(event.pointerId);
    const { part, index } = group.dataset, twice = this.pressed === group && event.timeStamp - this.pressedAt < TWICE;
    Object.assign(this, { pressed: twice ? null : group, pressedAt: event.timeStamp });
    if (twice) { this.remove(part, Number(index)); return; }
    const value = structuredClone(this.project.state[part][index]);
    this.dragged = { part, index: Number(index), value, first: structuredClone(value), x: event.clientX, y: event.clientY,
      end: event.target.dataset.end ?? 'both' };
  }

  move(event) {
    if (!this.dragged) return;
    const { part, first, x, y, end } = this.dragged;
    const by = [(event.clientX - x) / this.view.scale, (event.clientY - y) / this.view.scale];
    this.dragged.value = this.shifted(part, first, by, end);
    this.draw();
  }

  up() {
    if (!this.dragged) return;
    const { part, index, value } = this.dragged;
    this.dragged = null;
    this.project.edit(part, this.project.state[part].with(index, value), 'moved');
  }

  // `value` moved by [dx, dy] photo px: all of it, or an arrow's "tail" or "tip".
  shifted(part, value, [dx, dy], end) {
    const { width, height } = this.project.state.photo;
    const within = (v, most) => Math.round(10 * Math.min(most - 1, Math.max(0, v))) / 10;
    const point = ([x, y]) => [within(x + dx, width), within(y + dy, height)];
    if (part === 'kinds') return { ...value, at: point(value.at) };
    if (part === 'anchors') return point(value);
    const tail = value.slice(0, 2), tip = value.slice(2);
    return [...(end === 'tip' ? tail : point(tail)), ...(end === 'tail' ? tip : point(tip))];
  }

  remove(part, index) {
    this.dragged = null;
    this.project.edit(part, this.project.state[part].toSpliced(index, 1), 'removed');
    this.view.element.focus();
  }

  key(event) {
    const group = event.target.closest('[data-mark]');
    if (!group) return;
    const { part } = group.dataset, index = Number(group.dataset.index), list = this.project.state[part];
    if (event.key === 'Delete' || event.key === 'Backspace') {
      this.remove(part, index);
    } else {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!way) return;
      const by = way.map((v) => v * (event.altKey ? LARGE : STEP) / this.view.scale);
      this.project.edit(part, list.with(index, this.shifted(part, list[index], by, event.shiftKey ? 'both' : 'tip')), 'moved');
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  set(made, attributes);
  return made;
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

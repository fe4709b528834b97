// Settings, looks, the direction dial and the true render: what stands beside the photo.

import { call, json } from './state.js';

const QUIET = 900; // ms without a change before a small loop is rendered by itself

const LANDSCAPE = 'deeplandscape';
const WINDS = ['right, nearer still', 'right, nearer', 'right', 'right, away', 'right, farther away', 'away', 'left, farther away', 'left, away', 'left',
  'left, nearer', 'left, nearer still', 'towards you']; // 1 to 12 o’clock
const LIGHTS = ['day', 'bright', 'evening', 'sunset', 'afterglow', 'dusk', 'night', 'morning'];

const $ = (id) => document.getElementById(id);

export function bindSettings(project) {
  const inputs = [...document.querySelectorAll('[data-setting]')];
  for (const input of inputs) {
    input.addEventListener('input', () => project.set(input.dataset.setting, valueOf(input)));
  }
  const show = () => inputs.forEach((input) => showSetting(input, project.settings));
  project.addEventListener('changed', (e) => { if (e.detail === 'settings') show(); });
  project.addEventListener('opened', () => {
    fillChoices(project);
    show();
  });
  bindDial(project);
  bindWeather(project);
}

function valueOf(input) {
  if (input.type === 'checkbox') return input.checked;
  if (input.dataset.scale === 'power') return Math.round(100 * 2 ** Number(input.value)) / 100;
  if (input.type === 'range' || input.hasAttribute('data-number')) return Number(input.value);
  return input.value || null;
}

function showSetting(input, settings) {
  const value = settings[input.dataset.setting];
  if (input.type === 'checkbox') input.checked = Boolean(value);
  else if (input.dataset.scale === 'power') input.value = Math.log2(value ?? 1);
  else {
    const text = String(value ?? input.dataset.default ?? '');
    if (input.tagName === 'SELECT' && ![...input.options].some((o) => o.value === text)) input.add(new Option(text || 'as found', text));
    input.value = text;
  }
  const output = input.parentElement.querySelector('.value');
  if (output) output.textContent = input.dataset.scale === 'power' ? `× ${value ?? 1}` : `${value ?? input.value}`;
}

function fillChoices({ state }) {
  const fill = (id, choices) => $(id).replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  fill('cycles', [['auto', 'as found'], ...[1, 2, 3, 4, 6, 8, 12].map((n) => [String(n), n === 1 ? 'one everywhere' : `${n} everywhere`])]);
}

// DeepLandscape's wind and light: choosing one makes it the system of the renders, leaving both gives the photo's bands back.
function bindWeather(project) {
  const fill = (id, choices) => $(id).replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  fill('wind', [['', 'as the motion says'], ...WINDS.map((text, k) => [`${k + 1}h`, text])]);
  fill('light', [['', 'as in the photo'], ['cycle', 'a whole day and back'], ...LIGHTS.map((name) => [name, `${name} and back`])]);
  const choose = () => {
    const [wind, wind_set, light] = ['wind', 'wind_set', 'light'].map((id) => $(id).value || null);
    const weather = { wind, wind_set: wind && wind_set, light: light === 'cycle' ? null : light, light_cycle: light === 'cycle' };
    const system = wind || light ? { backbone: LANDSCAPE, cycle: false } : { backbone: null };
    project.edit('settings', { ...project.settings, ...weather, ...system }, 'wind and light');
  };
  const show = () => {
    const { wind, wind_set, light, light_cycle } = project.settings;
    $('wind').value = wind ?? '';
    $('wind_set').value = wind_set ?? '';
    $('wind_set').disabled = !wind;
    $('light').value = light_cycle ? 'cycle' : light ?? '';
  };
  for (const id of ['wind', 'wind_set', 'light']) $(id).addEventListener('input', choose);
  project.addEventListener('changed', (e) => { if (e.detail === 'settings') show(); });
  project.addEventListener('opened', show);
}

// Looks by their thumbnails; the arrow keys go from one to the next.
export function bindLooks(project) {
  const box = $('looks');
  const show = () => {
    for (const radio of box.querySelectorAll('input')) radio.checked = radio.value === (project.settings.target ?? '');
  };
  project.addEventListener('changed', (e) => { if (e.detail === 'settings') show(); });
  project.addEventListener('opened', () => {
    box.replaceChildren(...(project.state.photo ? ['', ...project.state.looks] : []).map((name) => {
      const label = document.createElement('label'), radio = document.createElement('input'), text = document.createElement('span');
      Object.assign(radio, { type: 'radio', name: 'look', value: name });
      radio.addEventListener('change', () => { project.set('target', name || null); project.tell('looked'); });
      const picture = Object.assign(document.createElement('img'), { alt: '', loading: 'lazy' });
      picture.dataset.src = name ? `api/look/${encodeURIComponent(name)}.jpg` : 'api/photo.jpg';
      text.textContent = name ? name.replaceAll('-', ' ') : 'as it is';
      label.append(radio, picture, text);
      return label;
    }));
    show();
  });
  project.addEventListener('motion', () => { // what moves is shown first
    for (const picture of box.querySelectorAll('img[data-src]')) {
      picture.src = picture.dataset.src;
      delete picture.dataset.src;
    }
  });
}

// One direction for all: 0 is right, 90 up. Dragged, or turned by the arrow keys.
function bindDial(project) {
  const dial = $('dial'), text = $('direction-text'), clear = $('direction-clear');
  dial.innerHTML = '<circle class="rim" r="44"/><g class="needle"><path d="M-26 0H28M14-12 28 0 14 12"/></g>';
  const show = () => {
    const degrees = degreesOf(project.settings.direction);
    dial.querySelector('.needle').setAttribute('transform', `rotate(${-(degrees ?? 0)})`);
    dial.classList.toggle('off', degrees === null);
    dial.setAttribute('aria-valuenow', degrees ?? 0);
    dial.setAttribute('aria-valuetext', degrees === null ? 'as found' : `${degrees} degrees`);
    const found = project.state?.arrows.length ? 'as the arrows say' : 'as found';
    text.textContent = degrees === null || project.state.arrows.length ? found : `${degrees}°`;
    clear.disabled = degrees === null;
  };
  const set = (degrees) => project.set('direction', `${(Math.round(degrees / 5) * 5 + 360) % 360}deg`);
  const turn = (event) => {
    const box = dial.getBoundingClientRect();
    set(-Math.atan2(event.clientY - box.y - box.height / 2, event.clientX - box.x - box.width / 2) * 180 / Math.PI);
  };
  dial.addEventListener('pointerdown', (e) => { dial.setPointerCapture(e.pointerId); turn(e); });
  dial.addEventListener('pointermove', (e) => { if (dial.hasPointerCapture(e.pointerId)) turn(e); });
  dial.addEventListener('keydown', (e) => {
    const by = { ArrowLeft: 5, ArrowUp: 5, ArrowRight: -5, ArrowDown: -5 }[e.key];
    if (by) { set((degreesOf(project.settings.direction) ?? 0) + by); e.preventDefault(); }
    if (e.key === 'Delete' || e.key === 'Escape') project.set('direction', null);
    if (by) e.stopPropagation();
  });
  clear.addEventListener('click', () => project.set('direction', null));
  project.addEventListener('changed', (e) => { if (e.detail === 'settings' || e.detail === 'arrows') show(); });
  project.addEventListener('opened', show);
}

function degreesOf(direction) {
  if (!direction) return null;
  const words = { right: 0, up: 90, left: 180, down: 270 };
  return words[direction] ?? (Math.round(parseFloat(direction)) + 360) % 360;
}

// The true render of a small loop: after each change once things are quiet, or when asked.
export function bindTruth(project, jobs) {
  const screen = $('truth');
  let timer = null, job = null, shown = null;
  const say = (text) => {
    screen.dataset.state = text;
    screen.classList.toggle('busy', Boolean(text));
  };
  const render = async () => {
    clearTimeout(timer);
    if (!project.state?.photo) return;
    await project.flush();
    if (job) jobs.cancel(job);
    const version = project.state.version;
    try {
      say('rendering');
      const mine = job = (await json('preview', 'POST', { version })).job;
      const done = await jobs.watch(mine, ({ what, done, total }) => say(total ? `${what} ${Math.round(100 * done / total)} %` : what));
      if (job !== mine) return;
      job = null;
      if (done.state === 'done') await show(mine, done);
      say(done.state === 'failed' ? done.error : '');
    } catch (error) {
      say(error.message);
    }
  };
  const show = async (id, { file }) => {
    const blob = await (await call(`jobs/${id}/file`)).blob();
    const moving = blob.type.startsWith('video') || /\.(mp4|webm)$/.test(file ?? '');
    const element = document.createElement(moving ? 'video' : 'img');
    if (moving) Object.assign(element, { loop: true, muted: true, autoplay: !matchMedia('(prefers-reduced-motion: reduce)').matches, playsInline: true, controls: false });
    if (shown) URL.revokeObjectURL(shown);
    element.src = shown = URL.createObjectURL(blob);
    element.setAttribute('aria-label', 'True render of a small loop');
    screen.replaceChildren(element);
  };
  const later = () => {
    clearTimeout(timer);
    if ($('auto').checked && project.settings?.backbone !== LANDSCAPE) timer = setTimeout(render, QUIET);
  };
  $('render').addEventListener('click', render);
  project.addEventListener('motion', later);
  project.addEventListener('saved', later);
  project.addEventListener('opened', () => { screen.replaceChildren(); say(''); });
  return render;
}

// The page put together: project, view, stage, tools, panels, keys.

import { bindExport, Jobs } from './exporting.js';
import { bindKeys, KEYS } from './keys.js';
import { bindLooks, bindSettings, bindTruth } from './panels.js';
import { Stage } from './stage.js';
import { Project } from './state.js';
import { makeTools, OPTIONS } from './tools.js';
import { View } from './view.js';

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

export const project = new Project();
export const view = new View($('stage'), () => stage.tool ?? {});
export const stage = new Stage(project, view, { gl: $('gl'), overlay: $('overlay'), marks: $('marks'), legend: $('legend'),
  kindMenu: $('kind-menu') });
const jobs = new Jobs(project);
const tools = makeTools(project, view, stage);

function choose(name) {
  if (view.drawing) return;
  stage.show({ tool: tools[name], pressed: false });
  for (const button of $('tools').children) button.setAttribute('aria-pressed', button.dataset.tool === name);
  $('stage').dataset.tool = name;
  $('marks').classList.toggle('idle', Boolean(tools[name].brush));
  $('kind-menu').hidden = true;
  showOptions();
}

function bindTools() {
  for (const [name, { label, key, icon }] of Object.entries(tools)) {
    const button = document.createElement('button');
    button.innerHTML = `<svg><use href="static/icons.svg#${icon}"/></svg>`;
    button.append(Object.assign(document.createElement('span'), { textContent: label.split(':')[0] }));
    button.dataset.tool = name;
    button.title = `${label} (${key.toUpperCase()})`;
    button.setAttribute('aria-label', label);
    button.setAttribute('aria-keyshortcuts', key.toUpperCase());
    button.addEventListener('click', () => choose(name));
    $('tools').append(button);
  }
  $('tools').addEventListener('keydown', (event) => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const all = [...$('tools').children];
    if (by) { all.at((all.indexOf(document.activeElement) + by) % all.length).focus(); event.preventDefault(); }
  });
}

const LABELS = { size: ['Size', 3, 400, 1], soft: ['Softness', 0, 1, 0.05], speed: ['Speed', 0.1, 1, 0.05], snap: 'Snap to edges', thaw: 'Thaw' };

function showOptions() {
  const names = stage.tool?.options ?? [];
  const fields = names.map((name) => {
    const label = document.createElement('label'), input = document.createElement('input'), range = Array.isArray(LABELS[name]);
    label.textContent = range ? LABELS[name][0] : LABELS[name];
    if (range) Object.assign(input, { type: 'range', min: LABELS[name][1], max: LABELS[name][2], step: LABELS[name][3], value: OPTIONS[name] });
    else Object.assign(input, { type: 'checkbox', checked: OPTIONS[name] });
    input.dataset.option = name;
    input.addEventListener('input', () => { OPTIONS[name] = range ? Number(input.value) : input.checked; stage.show({}); });
    label.append(input);
    return label;
  });
  const plane = stage.tool === tools.freeze ? 'freeze' : 'mask';
  if (names.length) {
    const reset = Object.assign(document.createElement('button'), { type: 'button', className: 'small', disabled: !project.state?.hand[plane],
      textContent: plane === 'mask' ? 'Reset' : 'Thaw all',
      title: plane === 'mask' ? 'What moves as it was found' : 'Nothing frozen' });
    reset.addEventListener('click', () => project.reset(plane).catch(trouble));
    fields.push(reset);
  }
  const hint = { arrow: 'Drag: the arrow is one second’s travel. Press one twice to remove it.', anchor: 'Click a point that must stay.', kind: 'Click a region and say what it is.' }[$('stage').dataset.tool];
  if (hint) fields.push(Object.assign(document.createElement('span'), { textContent: hint }));
  $('options').replaceChildren(...fields);
}

function say(text, urgent = false) {
  $('status').textContent = text;
  $('status').classList.toggle('trouble', urgent);
}

function trouble(error) { say(error.message ?? String(error), true); }

function toggle(id, name, value = !stage[name]) {
  stage.show({ [name]: value });
  $(id).setAttribute('aria-pressed', value);
}

function size(factor) {
  OPTIONS.size = Math.min(400, Math.max(3, OPTIONS.size * factor));
  project.tell('options');
}

async function open(file) {
  if (!file) return;
  say(`opening ${file.name}`);
  try {
    await project.upload(file);
    say(`${file.name} is open`);
  } catch (error) { trouble(error); }
}

function theme(next) {
  const root = document.documentElement;
  if (next) {
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    localStorage.setItem('theme', dark ? 'light' : 'dark');
  }
  const kept = localStorage.getItem('theme');
  if (kept) root.dataset.theme = kept;
  const [r, g, b] = getComputedStyle(root).getPropertyValue('--backdrop').trim().split(/\s+/).map((v) => Number(v) / 255);
  stage.show({ backdrop: [r, g, b] });
}

function bindProject() {
  const on = (name, handler) => project.addEventListener(name, (e) => handler(e.detail));
  on('opened', () => {
    const { state } = project;
    $('title').value = state.title ?? '';
    document.title = state.title ? `${state.title} – cinegan` : 'cinegan';
    $('empty').hidden = Boolean(state.photo);
    $('saved').textContent = state.photo ? 'Saved' : '';
    document.body.classList.toggle('bare', !state.photo);
    notices();
    showOptions();
  });
  on('history', (step) => {
    $('undo').disabled = !project.done.length;
    $('redo').disabled = !project.undone.length;
    if (step) say(`${step.side === 'before' ? 'undone' : 'done again'}: ${step.label}`);
    showOptions();
  });
  on('changed', () => stage.show({}));
  on('options', () => {
    const slider = document.querySelector('[data-option=size]');
    if (slider) slider.value = OPTIONS.size;
    stage.show({});
  });
  on('finding', (busy) => { $('stage').classList.toggle('busy', busy); if (busy) say('finding how it moves'); else if ($('status').textContent === 'finding how it moves') say(''); });
  on('saving', () => { $('saved').textContent = 'Saving …'; });
  on('saved', () => { $('saved').textContent = 'Saved'; });
  on('looked', () => toggle('tint', 'tint', false)); // colours are judged without it
  on('say', say);
  on('trouble', trouble);
}

function notices() {
  $('notices').replaceChildren(...(project.state.notices ?? []).map((text) => Object.assign(document.createElement('li'), { textContent: text })));
}

function bindBar() {
  const click = (id, action) => $(id).addEventListener('click', action);
  click('undo', () => project.undo());
  click('redo', () => project.redo());
  click('play', () => toggle('play', 'playing'));
  click('tint', () => toggle('tint', 'tint'));
  click('flow', () => toggle('flow', 'flow'));
  click('before', () => toggle('before', 'before'));
  click('theme', () => theme(true));
  click('help', () => $('keys').showModal());
  click('zoom-in', () => view.zoom(1.4));
  click('zoom-out', () => view.zoom(1 / 1.4));
  click('zoom-level', () => view.fit());
  view.addEventListener('view', () => { $('zoom-level').textContent = `${Math.round(100 * view.scale * devicePixelRatio)} %`; });
  $('open').addEventListener('change', (e) => { open(e.target.files[0]); e.target.value = ''; });
  $('title').addEventListener('change', (e) => { project.state.title = e.target.value; project.save('title'); });
  $('options').addEventListener('submit', (e) => e.preventDefault());
  $('stage').addEventListener('pointerdown', () => stage.show({ pointer: null })); // the keyboard's pointer
  addEventListener('dragover', (e) => e.preventDefault());
  addEventListener('drop', (e) => { e.preventDefault(); open(e.dataTransfer.files[0]); });
  addEventListener('beforeunload', (e) => { if (project.unsaved.size || project.saving) e.preventDefault(); });
  $('kind-menu').addEventListener('keydown', (e) => {
    const items = [...$('kind-menu').querySelectorAll('button')], by = e.target.matches('select') ? 0 : { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (by) items.at((items.indexOf(document.activeElement) + by) % items.length).focus();
    if (e.key === 'Escape') { $('kind-menu').hidden = true; $('stage').focus(); }
    if (by) e.preventDefault();
    e.stopPropagation();
  });
  $('key-list').replaceChildren(...KEYS.flatMap(([key, what]) => [Object.assign(document.createElement('dt'), { textContent: key }),
    Object.assign(document.createElement('dd'), { textContent: what })]));
}

bindProject();
bindTools();
bindBar();
bindSettings(project);
bindLooks(project);
const render = bindTruth(project, jobs), showExport = bindExport(project, jobs);
bindKeys(stage, view, {
  ...Object.fromEntries(Object.entries(tools).map(([name, { key }]) => [key, () => choose(name)])),
  'ctrl+z': () => project.undo(), 'ctrl+shift+z': () => project.redo(), 'ctrl+y': () => project.redo(),
  'ctrl+e': showExport, 'ctrl+o': () => $('open').click(), '[': () => size(1 / 1.2), ']': () => size(1.2),
  s: () => { OPTIONS.snap = !OPTIONS.snap; showOptions(); say(OPTIONS.snap ? 'snaps to edges' : 'does not snap'); },
  p: () => toggle('play', 'playing'), t: () => toggle('tint', 'tint'), f: () => toggle('flow', 'flow'), b: () => toggle('before', 'before'),
  r: render, '+': () => view.zoom(1.4), '=': () => view.zoom(1.4), '-': () => view.zoom(1 / 1.4), 0: () => view.fit(), 1: () => view.full(),
  '?': () => $('keys').showModal(),
});
theme(false);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => theme(false));
if (matchMedia('(prefers-reduced-motion: reduce)').matches) toggle('play', 'playing', false);
if (query.has('phase')) { // one still frame, for those who compare
  stage.show({ fixed: Number(query.get('phase')) });
  $('auto').checked = false;
}
choose('brush');
project.tell('history');
project.open().catch(trouble);

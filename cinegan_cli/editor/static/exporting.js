// Jobs of the server, and the window for exports: formats, presets, an estimate, progress, download, the command.

import { call, json } from './state.js';

const POLL = 500, SETTLE = 250;
const $ = (id) => document.getElementById(id);
const LOSSLESS = ['apng', 'png'];
const OVER = ['done', 'failed', 'cancelled'];

export class Jobs {
  // The open stream of events tells the server that the page is there: it cancels jobs once it is gone.
  constructor(project) {
    this.events = new EventSource('api/events');
    this.project = project;
  }

  // Resolves with the job once it is over; `progress` is called with it meanwhile.
  async watch(id, progress) {
    for (;;) {
      const job = await json(`jobs/${id}`, 'GET');
      if (OVER.includes(job.state)) return job;
      progress(job);
      await new Promise((later) => setTimeout(later, POLL));
    }
  }

  cancel(id) { return call(`jobs/${id}`, { method: 'DELETE' }).catch(() => null); }
}

export function bindExport(project, jobs) {
  const dialog = $('exporting');
  let timer = null, preset = '', format = '';
  const wanted = () => {
    const body = { format, max_side: Number($('export-side').value) }, most = $('max-bytes').value.trim();
    if (preset) body.preset = preset;
    if (!$('quality').disabled) body.quality = Number($('quality').value);
    if (most && !$('max-bytes').disabled) body.max_bytes = most;
    return body;
  };
  const estimate = () => {
    clearTimeout(timer);
    $('quality').disabled = LOSSLESS.includes(format);
    $('max-bytes').disabled = format === 'png';
    $('estimate').textContent = 'estimating …';
    const mine = timer = setTimeout(async () => {
      const say = (text) => { if (timer === mine) $('estimate').textContent = text; }; // unless another has begun
      try {
        await project.flush();
        const asked = wanted(), { command } = await json('command', 'POST', asked);
        $('command').textContent = command;
        const { seconds, bytes, width, height, frames } = await json('estimate', 'POST', asked);
        say(`${width} × ${height}, ${frames} frames: about ${size(bytes)}, ${time(seconds)} to make.`);
      } catch (error) { say(error.message); }
    }, SETTLE);
  };
  const choose = (name) => {
    preset = name;
    const given = project.state.presets[name] ?? {};
    if (given.quality) $('quality').value = given.quality;
    if (given.max_bytes) $('max-bytes').value = given.max_bytes;
    else if (name) $('max-bytes').value = '';
    sides(given.max_side ?? project.settings.max_side);
    if (name === 'gif') pick('formats', format = project.state.formats.find((f) => f.endsWith('gif')) ?? format);
    showQuality();
    estimate();
  };
  const showQuality = () => { $('quality').previousElementSibling.textContent = $('quality').value; };
  const open = () => {
    if (!project.state?.photo || dialog.open) return;
    const { formats, presets } = project.state;
    format ||= formats[0];
    chips('presets', [['', 'anything'], ...Object.keys(presets).map((name) => [name, name])], preset, choose);
    chips('formats', formats.map((name) => [name, name.replace('.', '')]), format, (name) => { format = name; estimate(); });
    sides(presets[preset]?.max_side ?? project.settings.max_side);
    showQuality();
    estimate();
    dialog.showModal();
  };
  $('export').addEventListener('click', open);
  $('quality').addEventListener('input', () => { showQuality(); estimate(); });
  for (const id of ['export-side', 'max-bytes']) $(id).addEventListener('change', estimate);
  $('start').addEventListener('click', () => run(project, jobs, wanted()));
  $('copy').addEventListener('click', async () => {
    await navigator.clipboard.writeText($('command').textContent).catch(() => null);
    $('copy').textContent = 'Copied';
    setTimeout(() => { $('copy').textContent = 'Copy'; }, 1500);
  });
  return open;
}

async function run(project, jobs, body) {
  const row = document.createElement('li'), bar = document.createElement('progress'), text = document.createElement('span');
  const stop = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Cancel' });
  Object.assign(bar, { value: 0, ariaLabel: 'Progress' }); // without a value it would be repainted all the time
  text.textContent = `${body.format.replace('.', '')}: waiting`;
  row.append(text, bar, stop);
  $('jobs').prepend(row);
  try {
    await project.flush();
    const { job } = await json('export', 'POST', body);
    stop.addEventListener('click', () => jobs.cancel(job));
    const over = await jobs.watch(job, ({ state, what, done, total }) => {
      text.textContent = state === 'queued' ? 'waiting for another render' : what || 'at work';
      if (total) Object.assign(bar, { max: total, value: done });
    });
    finish(row, bar, stop, text, job, over, project);
  } catch (error) {
    text.textContent = error.message;
    bar.remove();
    stop.remove();
  }
}

function finish(row, bar, stop, text, job, over, project) {
  bar.remove();
  stop.remove();
  if (over.state !== 'done') { text.textContent = over.state === 'cancelled' ? 'cancelled' : over.error; return; }
  const name = (over.file ?? 'loop.mp4').split(/[\\/]/).pop();
  text.textContent = name;
  row.append(Object.assign(document.createElement('a'), { className: 'button main', href: `api/jobs/${job}/file`, download: name, textContent: 'Download' }));
  project.tell('say', `${name} is ready`);
}

function chips(id, choices, chosen, choose) {
  const box = $(id);
  for (const old of box.querySelectorAll('label')) old.remove();
  for (const [value, text] of choices) {
    const label = document.createElement('label'), radio = document.createElement('input');
    Object.assign(radio, { type: 'radio', name: id, value, checked: value === chosen });
    radio.addEventListener('change', () => choose(value));
    label.append(radio, Object.assign(document.createElement('span'), { textContent: text }));
    box.append(label);
  }
}

function pick(id, value) {
  for (const radio of $(id).querySelectorAll('input')) radio.checked = radio.value === value;
}

function sides(chosen) {
  const choices = [...new Set([640, 1280, 1920, 2560, 3840, 7680, chosen ?? 3840])].sort((a, b) => a - b);
  $('export-side').replaceChildren(...choices.map((n) => new Option(`${n} px`, n, false, n === (chosen ?? 3840))));
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function time(seconds) {
  if (seconds === null) return 'minutes';
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return `${Math.round(seconds / 60)} min`;
}

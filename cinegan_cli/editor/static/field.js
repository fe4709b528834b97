// The motion as the server sends it, and what the preview's shaders need of it: parts, their weights, waves.
// Formulas: cinegan_cli/stages/warp/parts.py and waves.py, which are the reference.

const WEIGHT_CELLS = 192;
const BORDER = 1.5;
const LEAST = 0.06;
const WAVES = [
  [0.110, 0.020, 12, 2.7],
  [0.071, 0.024, -21, 2.0],
  [0.047, 0.028, 8, 1.4],
  [0.031, 0.030, -34, 1.0],
  [0.022, 0.030, 27, 0.8],
];
const ALONG = 0.4, STEEPEST = 0.3, FARTHEST = 0.02, CALM = 0.02;

// Little endian: uint32 h, w; float16 x[h,w], y[h,w] in widths per second; uint8 cycles, ripple, nearness, kinds [h,w].
export function decodeMotion(buffer) {
  const [h, w] = new Uint32Array(buffer, 0, 2);
  const n = h * w;
  if (buffer.byteLength !== 8 + 8 * n) throw new Error(`a motion of ${h}x${w} cannot have ${buffer.byteLength} bytes`);
  const planes = (k) => new Uint8Array(buffer, 8 + 4 * n + k * n, n);
  const halves = new Uint16Array(buffer, 8, 2 * n);
  const velocity = new Float32Array(2 * n);
  for (let i = 0; i < 2 * n; i++) velocity[i] = half(halves[i]);
  return { w, h, x: velocity.subarray(0, n), y: velocity.subarray(n), cycles: planes(0), ripple: planes(1),
    nearness: planes(2), kinds: planes(3) };
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// Velocity in shares of width and height per second, parts with soft weights, and the waves of a loop so long.
// `aspect` is the photo's height over its width; parts move on a grid of at most `cells` on the long side.
export function prepareField(motion, aspect, seconds, cells) {
  const scale = Math.min(1, cells / Math.max(motion.w, motion.h));
  const w = Math.max(2, Math.round(motion.w * scale)), h = Math.max(2, Math.round(motion.h * scale));
  const x = resized(motion.x, motion.w, motion.h, w, h), y = resized(motion.y, motion.w, motion.h, w, h);
  const velocity = new Float32Array(2 * w * h);
  let fastest = 0;
  for (let i = 0; i < w * h; i++) {
    velocity[2 * i] = x[i];
    velocity[2 * i + 1] = y[i] / aspect;
    fastest = Math.max(fastest, Math.hypot(x[i], y[i]) * w);
  }
  const { parts, weights, size } = partsOf(motion);
  const wet = parts.some((part) => part.waves);
  return { w, h, velocity, fastest, parts, weights, size, seconds,
    waves: wet ? wavesOf(motion, w, h, seconds) : null };
}

// One part per number of cycles, and one of waves; weights add up to 1 and have soft borders: uint8 [part][h, w].
function partsOf(motion) {
  const values = [...new Set(motion.cycles)].sort((a, b) => a - b);
  const wet = motion.ripple.some((value) => value > 0);
  const parts = values.map((cycles) => ({ cycles, waves: false }));
  if (wet) parts.push({ cycles: 1, waves: true });
  const scale = Math.min(1, WEIGHT_CELLS / Math.max(motion.w, motion.h));
  const size = [Math.max(1, Math.round(motion.w * scale)), Math.max(1, Math.round(motion.h * scale))];
  const soft = parts.map((part) => {
    const share = new Float32Array(motion.w * motion.h);
    for (let i = 0; i < share.length; i++) {
      const waves = motion.ripple[i] / 255;
      share[i] = part.waves ? waves : motion.cycles[i] === part.cycles ? 1 - waves : 0;
    }
    return blurred(resized(share, motion.w, motion.h, ...size), ...size, BORDER * Math.max(...size) / WEIGHT_CELLS);
  });
  const weights = new Uint8Array(parts.length * size[0] * size[1]);
  const cells = size[0] * size[1];
  for (let i = 0; i < cells; i++) {
    const kept = soft.map((plane) => Math.max(0, plane[i] - LEAST));
    const sum = kept.reduce((a, b) => a + b, 0) || 1;
    kept.forEach((value, k) => { weights[k * cells + i] = Math.round(255 * value / sum); });
  }
  return { parts, weights, size };
}

// Per cell of [h, w]: sizes (in shares of the width) and phases of five waves; how often each turns within the loop.
function wavesOf(motion, w, h, seconds) {
  const nearness = resized(Float32Array.from(motion.nearness, (v) => v / 255), motion.w, motion.h, w, h)
    .map((v) => Math.min(1, Math.max(FARTHEST, v)));
  const share = resized(Float32Array.from(motion.ripple, (v) => v / 255), motion.w, motion.h, w, h);
  const inside = share.map((v) => (v > 0.02 ? 1 : 0));
  const calm = calmOf(inside, w, h);
  const along = alongRows(nearness, inside, w, h);
  const sizes = new Float32Array(8 * w * h), phases = new Float32Array(8 * w * h);
  WAVES.forEach(([length, steepness, degrees], k) => {
    const angle = degrees * Math.PI / 180, number = 2 * Math.PI / length;
    const theta = new Float32Array(w * h);
    for (let y = 0, i = 0; y < h; y++) {
      for (let x = 0; x < w; x++, i++) {
        const sideways = ((x + 0.5) / w - 0.5) / nearness[i];
        theta[i] = number * (Math.cos(angle) * along[y] + Math.sin(angle) * sideways);
      }
    }
    for (let i = 0; i < w * h; i++) {
      const slope = Math.max(1e-6, Math.hypot(...gradient(theta, i, w, h)));
      const place = (k < 4 ? 0 : 4 * w * h) + 4 * i + (k % 4); // two RGBA planes
      sizes[place] = Math.min(length * steepness * nearness[i] * w, STEEPEST / slope) * calm[i] / w;
      phases[place] = theta[i] % (2 * Math.PI);
    }
  });
  return { sizes, phases, turns: WAVES.map((wave) => Math.max(1, Math.round(seconds / wave[3]))), along: ALONG };
}

// From 0 beside what is static to 1 well within: chamfer distance of two passes.
function calmOf(inside, w, h) {
  const far = 1e6, d = Float32Array.from(inside, (v) => (v ? far : 0));
  const at = (x, y) => (x < 0 || y < 0 || x >= w || y >= h ? far : d[y * w + x]);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const i = y * w + x;
      d[i] = Math.min(d[i], at(x - 1, y) + 1, at(x, y - 1) + 1, at(x - 1, y - 1) + 1.4, at(x + 1, y - 1) + 1.4);
    }
  }
  for (let y = h - 1; y >= 0; y--) {
    for (let x = w - 1; x >= 0; x--) {
      const i = y * w + x;
      d[i] = Math.min(d[i], at(x + 1, y) + 1, at(x, y + 1) + 1, at(x + 1, y + 1) + 1.4, at(x - 1, y + 1) + 1.4);
    }
  }
  return d.map((v) => { const s = Math.min(1, v / (CALM * w)); return s * s * (3 - 2 * s); });
}

// Distance on the water's plane to the viewer, in widths, of every row.
function alongRows(nearness, inside, w, h) {
  const along = new Float32Array(h);
  let sum = 0;
  for (let y = 0; y < h; y++) {
    let wet = 0, total = 0, all = 0;
    for (let x = 0; x < w; x++) {
      const value = 1 / nearness[y * w + x];
      all += value;
      if (inside[y * w + x]) { wet++; total += value; }
    }
    sum += wet ? total / wet : all / w;
    along[y] = sum / w;
  }
  return along;
}

function gradient(plane, i, w, h) {
  const x = i % w, y = (i - x) / w;
  const left = Math.max(0, x - 1), right = Math.min(w - 1, x + 1);
  const top = Math.max(0, y - 1), bottom = Math.min(h - 1, y + 1);
  return [(plane[y * w + right] - plane[y * w + left]) / (right - left),
    (plane[bottom * w + x] - plane[top * w + x]) / (bottom - top)];
}

// Means over areas where it shrinks, [h, w] to [newH, newW], which are not larger.
function resized(plane, w, h, newW, newH) {
  if (w === newW && h === newH) return plane;
  const out = new Float32Array(newW * newH);
  for (let y = 0; y < newH; y++) {
    const y0 = Math.floor(y * h / newH), y1 = Math.max(y0 + 1, Math.ceil((y + 1) * h / newH));
    for (let x = 0; x < newW; x++) {
      const x0 = Math.floor(x * w / newW), x1 = Math.max(x0 + 1, Math.ceil((x + 1) * w / newW));
      let sum = 0;
      for (let v = y0; v < y1; v++) for (let u = x0; u < x1; u++) sum += plane[v * w + u];
      out[y * newW + x] = sum / ((y1 - y0) * (x1 - x0));
    }
  }
  return out;
}

function blurred(plane, w, h, sigma) {
  const radius = Math.max(1, Math.round(2 * sigma)), kernel = [];
  for (let k = -radius; k <= radius; k++) kernel.push(Math.exp(-0.5 * (k / sigma) ** 2));
  const sum = kernel.reduce((a, b) => a + b);
  const pass = (from, along, count) => from.map((_, i) => {
    const place = along === 1 ? i % w : Math.floor(i / w);
    let total = 0;
    for (let k = -radius; k <= radius; k++) {
      const moved = Math.min(count - 1, Math.max(0, place + k)) - place;
      total += kernel[k + radius] * from[i + moved * along];
    }
    return total / sum;
  });
  return pass(pass(plane, 1, w), w, h);
}

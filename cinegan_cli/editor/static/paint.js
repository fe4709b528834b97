// Strokes on a plane of bytes (the mask, or what is frozen): soft, of any size, snapping to edges where that is wanted.

// A stroke towards `value` (0 to 255) on `plane` of width x height; `size` is the diameter in its pixels, `soft` in [0, 1]
// the share of the radius over which it fades. With `picture` (RGBA of the same size) it keeps to the colour under the
// first touch, as far as that is connected.
export class Stroke {
  constructor(plane, width, height, { value, size, soft, picture = null, tolerance = 40 }) {
    Object.assign(this, { plane, width, height, value, size, soft, picture, tolerance });
    this.before = plane.slice();
    this.covered = new Uint8Array(plane.length);
    this.box = null;
    this.last = null;
    this.colour = null;
  }

  // Draw on to (x, y); returns the box that has changed.
  to(x, y, pressure = 1) {
    const radius = Math.max(0.5, this.size * pressure / 2), step = Math.max(0.7, radius / 5);
    const from = this.last ?? { x, y };
    const count = Math.max(1, Math.ceil(Math.hypot(x - from.x, y - from.y) / step));
    let changed = null;
    for (let k = 1; k <= count; k++) {
      const box = this.dab(from.x + (x - from.x) * k / count, from.y + (y - from.y) * k / count, radius);
      changed = joined(changed, box);
    }
    this.last = { x, y };
    this.box = joined(this.box, changed);
    return changed;
  }

  dab(x, y, radius) {
    const x0 = Math.max(0, Math.floor(x - radius)), x1 = Math.min(this.width, Math.ceil(x + radius) + 1);
    const y0 = Math.max(0, Math.floor(y - radius)), y1 = Math.min(this.height, Math.ceil(y + radius) + 1);
    if (x0 >= x1 || y0 >= y1) return null;
    const box = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
    const alike = this.picture && this.alike(x, y, box);
    const hard = radius * (1 - this.soft), fade = Math.max(1, radius - hard);
    for (let v = y0; v < y1; v++) {
      for (let u = x0; u < x1; u++) {
        const share = Math.min(1, Math.max(0, (radius - Math.hypot(u + 0.5 - x, v + 0.5 - y)) / fade));
        if (share === 0) continue;
        const i = v * this.width + u;
        const cover = 255 * share * share * (3 - 2 * share) * (alike ? alike[(v - y0) * box.width + u - x0] / 255 : 1);
        if (cover <= this.covered[i]) continue;
        this.covered[i] = cover;
        this.plane[i] = this.before[i] + (this.value - this.before[i]) * cover / 255;
      }
    }
    return box;
  }

  // How much each pixel of `box` belongs to what is under (x, y): connected and of a like colour, uint8.
  alike(x, y, box) {
    const { picture, width } = this, out = new Uint8Array(box.width * box.height);
    const cx = Math.min(box.x + box.width - 1, Math.max(box.x, Math.floor(x)));
    const cy = Math.min(box.y + box.height - 1, Math.max(box.y, Math.floor(y)));
    const at = (u, v) => 4 * (v * width + u);
    this.colour ??= meanColour(picture, width, this.height, cx, cy);
    const [r, g, b] = this.colour;
    const far = (i) => Math.hypot(picture[i] - r, picture[i + 1] - g, picture[i + 2] - b);
    const seen = new Uint8Array(out.length), stack = [(cy - box.y) * box.width + cx - box.x];
    seen[stack[0]] = 1;
    while (stack.length) {
      const place = stack.pop(), u = place % box.width, v = (place - u) / box.width;
      const difference = far(at(box.x + u, box.y + v)) / this.tolerance;
      if (difference >= 1) continue;
      out[place] = 255 * Math.min(1, 3 * (1 - difference));
      if (u > 0 && !seen[place - 1]) { seen[place - 1] = 1; stack.push(place - 1); }
      if (u < box.width - 1 && !seen[place + 1]) { seen[place + 1] = 1; stack.push(place + 1); }
      if (v > 0 && !seen[place - box.width]) { seen[place - box.width] = 1; stack.push(place - box.width); }
      if (v < box.height - 1 && !seen[place + box.width]) { seen[place + box.width] = 1; stack.push(place + box.width); }
    }
    return out;
  }

  // The bytes of the stroke's box as they were.
  old() {
    const { x, y, width, height } = this.box, out = new Uint8Array(width * height);
    for (let r = 0; r < height; r++) {
      const from = (y + r) * this.width + x;
      out.set(this.before.subarray(from, from + width), r * width);
    }
    return out;
  }

  undo() { this.plane.set(this.before); }
}

function joined(a, b) {
  if (!a || !b) return a ?? b;
  const x = Math.min(a.x, b.x), y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
}

function meanColour(picture, width, height, x, y) {
  const sum = [0, 0, 0];
  let count = 0;
  for (let v = Math.max(0, y - 2); v <= Math.min(height - 1, y + 2); v++) {
    for (let u = Math.max(0, x - 2); u <= Math.min(width - 1, x + 2); u++, count++) {
      for (let c = 0; c < 3; c++) sum[c] += picture[4 * (v * width + u) + c];
    }
  }
  return sum.map((value) => value / count);
}

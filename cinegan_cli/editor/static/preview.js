// The live preview: the joint warp of the photo in shaders, at the screen's rate, from the mask as it is being painted.

import { createGl, drawInto, program, texture, withMips } from './gl.js';
import { COVER, FRAME, KNOWN, LAYER, LIKENESS, ORIGINS, QUAD } from './shaders.js';
import { KIND_COLOURS, NEUTRAL } from './kinds.js';

const LODS = [2, 5]; // mip levels that bound the two bands whose contrast is kept
const LIKENESS_SIZE = 256; // px on the long side of the picture in which likeness is measured
const LIKENESS_CELLS = 32; // cells on its long side over which it is averaged
const CELLS = 256, CELLS_BY_SOFTWARE = 112; // on the long side of the grid on which parts move
const CELLS_A_STEP = 3, MOST_STEPS = 12;

export class Preview {
  // `size` {width, height} is the working size. Throws where there is no WebGL2 with float targets.
  constructor(canvas) {
    const context = createGl(canvas);
    if (!context) throw new Error('This browser has no WebGL2: the live preview is off, the true render still works.');
    Object.assign(this, context, { canvas, size: null, field: null, look: null, tile: null, strength: 0 });
    const { gl } = this;
    this.draw = Object.fromEntries(Object.entries({ COVER, FRAME, KNOWN, LAYER, LIKENESS, ORIGINS })
      .map(([name, source]) => [name.toLowerCase(), program(gl, QUAD, source)]));
    this.blank = texture(gl, gl.RGBA8, 1, 1);
    this.kept = {};
    this.cells = this.software ? CELLS_BY_SOFTWARE : CELLS;
  }

  // A new texture under a name; the one of that name is let go.
  make(name, ...how) {
    if (this.kept[name]) this.gl.deleteTexture(this.kept[name]);
    this.kept[name] = texture(this.gl, ...how);
    return this.kept[name];
  }

  setPhoto(bitmap, width, height) {
    const { gl } = this;
    this.size = { width, height };
    const mips = { mips: true };
    this.make('photo', gl.RGBA8, width, height, mips);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.generateMipmap(gl.TEXTURE_2D);
    this.make('mask', gl.R8, width, height);
    this.make('freeze', gl.R8, width, height);
    this.make('cover', gl.RGBA8, width, height);
    this.make('known', gl.RGBA16F, width, height, mips);
    this.make('layer', gl.RGBA8, width, height, { mips: true, mirror: true });
    const scale = LIKENESS_SIZE / Math.max(width, height);
    this.likeSize = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
    this.make('likeness', gl.RGBA16F, ...this.likeSize, mips);
    this.field = this.look = this.tile = null;
  }

  // `plane` uint8 of the working size; only `box` {x, y, width, height} of it has changed.
  setPlane(name, plane, box) {
    const { gl } = this, { width, height } = this.size;
    box ??= { x: 0, y: 0, width, height };
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.kept[name]);
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, width);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, box.x);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, box.y);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, box.x, box.y, box.width, box.height, gl.RED, gl.UNSIGNED_BYTE, plane);
    for (const name of ['UNPACK_ROW_LENGTH', 'UNPACK_SKIP_PIXELS', 'UNPACK_SKIP_ROWS']) gl.pixelStorei(gl[name], 0);
    const { mask, freeze, cover } = this.kept;
    const grown = [Math.max(0, box.x - 2), Math.max(0, box.y - 2), box.width + 4, box.height + 4];
    drawInto(this, cover, width, height, null, grown, () => this.draw.cover({ mask, freeze }));
  }

  // The moving layer for the mask as it is now: dearer than `setPlane`, so not needed at every touch of the brush.
  refill() {
    const { gl } = this, { width, height } = this.size, { photo, cover, known, layer } = this.kept;
    drawInto(this, known, width, height, null, null, () => this.draw.known({ photo, cover }));
    withMips(gl, known);
    const levels = Math.floor(Math.log2(Math.max(width, height)));
    drawInto(this, layer, width, height, null, null, () => this.draw.layer({ photo, known, levels }));
    withMips(gl, layer);
    if (this.field) this.measureLikeness();
  }

  setField(field, motion) {
    const { gl } = this, { w, h, parts, weights, size, velocity, waves } = field;
    this.field = field;
    this.make('velocity', gl.RG16F, w, h);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, w, h, gl.RG, gl.FLOAT, velocity);
    this.make('weights', gl.R8, ...size, { layers: parts.length });
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, 0, ...size, parts.length, gl.RED, gl.UNSIGNED_BYTE, weights);
    this.make('origins', this.fieldFormat, w, h, { layers: parts.length });
    if (waves) for (const name of ['sizes', 'phases']) this.setWaves(name, waves[name], w, h);
    this.setKinds(motion);
    this.measureLikeness();
  }

  setWaves(name, planes, w, h) {
    const { gl } = this;
    for (const k of [0, 1]) {
      this.make(name + k, gl.RGBA32F, w, h, { nearest: true });
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, w, h, gl.RGBA, gl.FLOAT, planes.subarray(4 * w * h * k, 4 * w * h * (k + 1)));
    }
  }

  setKinds({ w, h, kinds }) {
    const { gl } = this, colours = new Uint8Array(4 * w * h);
    for (let i = 0; i < w * h; i++) {
      const colour = KIND_COLOURS[kinds[i]];
      if (colour) colours.set([...colour, 255], 4 * i);
    }
    this.make('colours', gl.RGBA8, w, h);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, w, h, gl.RGBA, gl.UNSIGNED_BYTE, colours);
  }

  // A small picture of the photo in another look, or null; the preview adds the difference to the photo.
  setLook(bitmap) {
    this.look = bitmap && this.upload('look', bitmap);
    this.thumbLod = bitmap ? Math.max(0, Math.log2(this.size.width / bitmap.width)) : 0;
  }

  // The part of the photo in sight, at full size; `box` in shares of the photo.
  setTile(bitmap, box) {
    this.tile = bitmap && { texture: this.upload('tile', bitmap), at: [box.x, box.y, 1 / box.width, 1 / box.height] };
  }

  upload(name, bitmap) {
    const { gl } = this, made = this.make(name, gl.RGBA8, bitmap.width, bitmap.height);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    return made;
  }

  // Phase of every part's own cycle at `loop` in [0, 1) of the whole loop, and the textures that say what comes from where.
  followed(loop, cycleHalf = false) {
    const { field, kept } = this, phases = new Array(8).fill(0);
    const { sizes0, sizes1, phases0, phases1, velocity } = field.waves ? kept : { ...kept, ...this.noWaves() };
    field.parts.forEach(({ cycles, waves }, k) => {
      const phase = cycleHalf ? 0.5 : (loop * cycles) % 1, length = (this.rate ?? 1) * field.seconds / cycles;
      phases[k] = waves ? 0 : phase;
      const ages = [phase * length, (1 - phase) * length];
      const steps = Math.min(MOST_STEPS, Math.max(2, Math.ceil(field.fastest * Math.max(...ages) / CELLS_A_STEP)));
      drawInto(this, kept.origins, field.w, field.h, k, null, () => this.draw.origins({ velocity, sizes0, sizes1, phases0,
        phases1, ages, steps, waves, loop, turns: field.waves?.turns ?? [0, 0, 0, 0, 0],
        ratio: this.size.width / this.size.height }));
    });
    return { layer: kept.layer, origins: kept.origins, weights: kept.weights, phases, parts: field.parts.length,
      tile: this.tile?.texture ?? this.blank, tileAt: this.tile?.at ?? [0, 0, 0, 0], lods: LODS, detail: 0 };
  }

  noWaves() {
    return { sizes0: this.blank, sizes1: this.blank, phases0: this.blank, phases1: this.blank };
  }

  measureLikeness() {
    const uniforms = { ...this.followed(0, true), tileAt: [0, 0, 0, 0] };
    drawInto(this, this.kept.likeness, ...this.likeSize, null, null, () => this.draw.likeness(uniforms));
    withMips(this.gl, this.kept.likeness);
  }

  // Draw the frame at `loop` in [0, 1). `view` is [left, bottom, width, height] of what the canvas shows, in shares of the
  // photo with y down: height is below 0. `into` {texture, width, height} draws into that instead.
  frame(loop, { view, tint = 0, before = false, backdrop = [0, 0, 0], strength = 0 }, into = null) {
    const { gl, kept, field } = this;
    const width = into?.width ?? this.canvas.width, height = into?.height ?? this.canvas.height;
    const followed = field && !before ? this.followed(loop) : this.unmoved();
    const detail = Math.max(0, Math.log2(view[2] * this.size.width / width) - 0.5);
    const uniforms = { ...followed, detail, photo: kept.photo, cover: kept.cover, frozen: kept.freeze,
      colours: kept.colours ?? this.blank, likeness: kept.likeness, look: this.look ?? this.blank,
      likeLod: Math.log2(LIKENESS_SIZE / LIKENESS_CELLS), thumbLod: this.thumbLod ?? 0, tint, backdrop, view,
      strength: this.look ? strength : 0, before: Number(before), pixels: [width, height], neutral: NEUTRAL };
    const draw = () => this.draw.frame(uniforms);
    if (into) return drawInto(this, into.texture, width, height, null, null, draw);
    gl.viewport(0, 0, width, height);
    draw();
    this.sent = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    return gl.flush();
  }

  // Whether the last frame is not finished yet: sending more would only make a queue.
  get busy() {
    const { gl, sent } = this;
    if (!sent || gl.getSyncParameter(sent, gl.SYNC_STATUS) !== gl.SIGNALED) return Boolean(sent);
    gl.deleteSync(sent);
    this.sent = null;
    return false;
  }

  unmoved() {
    const nothing = this.noArray ??= texture(this.gl, this.gl.RGBA8, 1, 1, { layers: 1 });
    return { layer: this.kept.layer, origins: nothing, weights: nothing, phases: new Array(8).fill(0), parts: 0, lods: LODS,
      tile: this.tile?.texture ?? this.blank, tileAt: this.tile?.at ?? [0, 0, 0, 0] };
  }

  // RGBA bytes of the frame at `loop`, working size, rows from the top, no marks: what tests compare with the true render.
  pixels(loop) {
    const { gl } = this, { width, height } = this.size, made = texture(gl, gl.RGBA8, width, height);
    const bytes = new Uint8Array(4 * width * height);
    this.frame(loop, { view: [0, 0, 1, 1] }, { texture: made, width, height });
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, made, 0);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.deleteTexture(made);
    return bytes;
  }
}

// The little of WebGL2 that the preview needs: programs with their uniforms, textures, targets.

export function createGl(canvas) {
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, powerPreference: 'high-performance' });
  if (!gl || !gl.getExtension('EXT_color_buffer_float')) return null;
  const fine = Boolean(gl.getExtension('OES_texture_float_linear'));
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.bindVertexArray(gl.createVertexArray());
  const framebuffer = gl.createFramebuffer();
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  return { gl, fieldFormat: fine ? gl.RGBA32F : gl.RGBA16F, framebuffer, software: /swiftshader|llvmpipe|softpipe|basic render/i.test(name) };
}

// A function that draws over the whole viewport with the given uniforms: numbers, arrays, or textures.
export function program(gl, vertex, fragment) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
  const setters = new Map();
  for (let i = 0, unit = 0; i < gl.getProgramParameter(made, gl.ACTIVE_UNIFORMS); i++) {
    const { name, type } = gl.getActiveUniform(made, i);
    const where = gl.getUniformLocation(made, name);
    setters.set(name.replace('[0]', ''), setter(gl, type, where, type === gl.SAMPLER_2D || type === gl.SAMPLER_2D_ARRAY ? unit++ : 0));
  }
  return (uniforms) => {
    gl.useProgram(made);
    for (const [name, value] of Object.entries(uniforms)) setters.get(name)?.(value);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  };
}

function setter(gl, type, where, unit) {
  switch (type) {
    case gl.FLOAT: return (v) => gl.uniform1fv(where, typeof v === 'number' ? [v] : v);
    case gl.FLOAT_VEC2: return (v) => gl.uniform2fv(where, v);
    case gl.FLOAT_VEC3: return (v) => gl.uniform3fv(where, v);
    case gl.FLOAT_VEC4: return (v) => gl.uniform4fv(where, v);
    case gl.INT: case gl.BOOL: return (v) => gl.uniform1i(where, v);
    default: return (texture) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(type === gl.SAMPLER_2D ? gl.TEXTURE_2D : gl.TEXTURE_2D_ARRAY, texture);
      gl.uniform1i(where, unit);
    };
  }
}

// `format` is a sized one; `layers` makes an array of textures, `mips` a pyramid. Linear, clamped unless said otherwise.
export function texture(gl, format, width, height, { layers = 0, mips = false, nearest = false, mirror = false } = {}) {
  const kind = layers ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D;
  const made = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(kind, made);
  const levels = mips ? Math.floor(Math.log2(Math.max(width, height))) + 1 : 1;
  if (layers) gl.texStorage3D(kind, levels, format, width, height, layers);
  else gl.texStorage2D(kind, levels, format, width, height);
  const wrap = mirror ? gl.MIRRORED_REPEAT : gl.CLAMP_TO_EDGE, filter = nearest ? gl.NEAREST : gl.LINEAR;
  gl.texParameteri(kind, gl.TEXTURE_WRAP_S, wrap);
  gl.texParameteri(kind, gl.TEXTURE_WRAP_T, wrap);
  gl.texParameteri(kind, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(kind, gl.TEXTURE_MIN_FILTER, mips ? gl.LINEAR_MIPMAP_LINEAR : filter);
  return made;
}

// Draw into a texture (or one layer of an array), within `box` [x, y, width, height] if it is given.
export function drawInto(context, target, width, height, layer, box, draw) {
  const { gl, framebuffer } = context;
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  if (layer === null) gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
  else gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, target, 0, layer);
  gl.viewport(0, 0, width, height);
  if (box) { gl.enable(gl.SCISSOR_TEST); gl.scissor(...box); }
  draw();
  gl.disable(gl.SCISSOR_TEST);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
}

export function withMips(gl, made) {
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_2D, made);
  gl.generateMipmap(gl.TEXTURE_2D);
}

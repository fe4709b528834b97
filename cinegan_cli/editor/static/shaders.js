// GLSL of the preview. Places are in [0, 1] of the photo, y down; displacements are shares of width and height.

export const QUAD = `#version 300 es
out vec2 at;
void main() { at = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0; gl_Position = vec4(at * 2.0 - 1.0, 0, 1); }`;

const HEAD = `#version 300 es
precision highp float; precision highp int; precision highp sampler2DArray;
in vec2 at; out vec4 result;
`;

// What of a pixel moves (r), and which pixels show nothing else (g): the matte and the known part of the moving layer.
export const COVER = `${HEAD}
uniform sampler2D mask, freeze;
float alpha(ivec2 p) {
  p = clamp(p, ivec2(0), textureSize(mask, 0) - 1);
  return texelFetch(mask, p, 0).r * (1.0 - texelFetch(freeze, p, 0).r);
}
void main() {
  ivec2 p = ivec2(gl_FragCoord.xy);
  float most = 0.0, least = 1.0;
  for (int y = -2; y <= 2; y++) for (int x = -2; x <= 2; x++) {
    float a = alpha(p + ivec2(x, y));
    most = max(most, a); least = min(least, a);
  }
  result = vec4(alpha(p) / max(most, 1e-6), least > 0.98 ? 1.0 : 0.0, alpha(p), 1);
}`;

// The photo where it is known, with its weight: level 0 of the pyramid that the layer is filled from.
export const KNOWN = `${HEAD}
uniform sampler2D photo, cover;
void main() {
  float known = texelFetch(cover, ivec2(gl_FragCoord.xy), 0).g;
  result = vec4(texelFetch(photo, ivec2(gl_FragCoord.xy), 0).rgb * known, known);
}`;

// The moving layer: the photo, smoothly filled where something static stands. Alpha says where it is the photo.
export const LAYER = `${HEAD}
uniform sampler2D photo, known;
uniform float levels;
void main() {
  vec4 here = texelFetch(known, ivec2(gl_FragCoord.xy), 0);
  vec3 original = texelFetch(photo, ivec2(gl_FragCoord.xy), 0).rgb;
  if (here.a > 0.99) { result = vec4(original, 1); return; }
  vec4 sum = vec4(0);
  for (float lod = 1.0; lod <= 12.0; lod += 1.0) {
    if (lod > levels || sum.a > 0.99) break;
    vec4 c = textureLod(known, gl_FragCoord.xy / vec2(textureSize(photo, 0)), lod);
    if (c.a > 1e-4) sum += (1.0 - sum.a) * vec4(c.rgb / c.a, 1) * smoothstep(0.0, 0.25, c.a);
  }
  result = vec4(sum.a > 0.001 ? sum.rgb / sum.a : original, 0);
}`;

// Where both sources come from (rg forward, ba backward): a part's steady flow followed by the midpoint rule, or waves.
export const ORIGINS = `${HEAD}
uniform sampler2D velocity, sizes0, sizes1, phases0, phases1;
uniform float ages[2], ratio, turns[5], loop;
uniform int steps; uniform bool waves;
const float TAU = 6.28318530718;
vec2 carried(vec2 p, float seconds) {
  float dt = seconds / float(steps);
  vec2 q = p;
  for (int i = 0; i < steps; i++) {
    vec2 half_way = q + 0.5 * dt * textureLod(velocity, q, 0.0).rg;
    q += dt * textureLod(velocity, half_way, 0.0).rg;
  }
  return q - p;
}
float wave(float size, float phase, float turn) { return size * (sin(phase - TAU * turn * loop) - sin(phase)); }
void main() {
  if (!waves) { result = vec4(carried(at, -ages[0]), carried(at, ages[1])); return; }
  ivec2 p = ivec2(gl_FragCoord.xy);
  vec4 s = texelFetch(sizes0, p, 0), t = texelFetch(phases0, p, 0);
  float d = wave(s.r, t.r, turns[0]) + wave(s.g, t.g, turns[1]) + wave(s.b, t.b, turns[2]) + wave(s.a, t.a, turns[3])
    + wave(texelFetch(sizes1, p, 0).r, texelFetch(phases1, p, 0).r, turns[4]);
  result = vec4(d, 0.4 * d * ratio, d, 0.4 * d * ratio);
}`;

const BANDS = `
uniform sampler2D layer, tile; uniform sampler2DArray origins, weights;
uniform vec4 tileAt; // left, top, 1 / width, 1 / height; width 0: none
uniform float phases[8], detail; uniform int parts; uniform vec2 lods;
vec4 place(int k, vec2 p) { return textureLod(origins, vec3(p, k), 0.0); }
vec3 sharp(vec2 p) {
  vec4 c = textureLod(layer, p, detail);
  vec2 t = (p - tileAt.xy) * tileAt.zw;
  if (tileAt.z > 0.0 && t == clamp(t, 0.0, 1.0)) c.rgb = mix(c.rgb, textureLod(tile, t, 0.0).rgb, c.a);
  return c.rgb;
}
vec3 coarse(vec2 p, float lod) { return textureLod(layer, p, lod).rgb; }
`;

// How much averaging the two sources half way takes from each of two bands: |A + B| / 2 over (|A| + |B|) / 2, as the
// means that the mip levels of the result will hold: (mixed, single) of the finer band, then of the coarser.
export const LIKENESS = `${HEAD}${BANDS}
float grey(vec3 c) { return (c.r + c.g + c.b) / 3.0; }
void main() {
  vec4 sum = vec4(0);
  for (int k = 0; k < parts; k++) {
    float weight = textureLod(weights, vec3(at, k), 0.0).r;
    if (weight < 0.004) continue;
    vec4 o = place(k, at);
    vec2 p = at + o.xy, q = at + o.zw;
    vec3 a1 = coarse(p, lods.x), b1 = coarse(q, lods.x), a2 = coarse(p, lods.y), b2 = coarse(q, lods.y);
    float a = grey(sharp(p) - a1), b = grey(sharp(q) - b1), c = grey(a1 - a2), d = grey(b1 - b2);
    sum += weight * vec4(abs(a + b), abs(a) + abs(b), abs(c + d), abs(c) + abs(d)) / 2.0;
  }
  result = sum;
}`;

// A frame: the warp of every part, the contrast that blending takes given back, over the still photo; then the marks.
export const FRAME = `${HEAD}${BANDS}
uniform sampler2D photo, cover, frozen, colours, likeness, look;
uniform vec4 view; // photo place of the lower left corner of the canvas, and the extent
uniform float likeLod, tint, strength, before, thumbLod;
uniform vec2 pixels; // of the canvas
uniform vec3 backdrop, neutral;
float gain(float a, vec2 strengths) {
  float rho = clamp(2.0 * pow((strengths.x + 1e-4) / (strengths.y + 1e-4), 2.0) - 1.0, 0.0, 1.0);
  return inversesqrt((1.0 - a) * (1.0 - a) + a * a + 2.0 * a * (1.0 - a) * rho);
}
vec3 moved(vec2 p) {
  vec4 like = textureLod(likeness, p, likeLod);
  vec3 sum = vec3(0); float total = 0.0;
  for (int k = 0; k < parts; k++) {
    float weight = textureLod(weights, vec3(p, k), 0.0).r;
    if (weight < 0.004) continue;
    total += weight;
    vec4 o = place(k, p);
    float a = phases[k];
    vec3 fine = sharp(p + o.xy);
    if (a > 0.0) {
      vec3 low = mix(coarse(p + o.xy, lods.x), coarse(p + o.zw, lods.x), a);
      vec3 lowest = mix(coarse(p + o.xy, lods.y), coarse(p + o.zw, lods.y), a);
      fine = mix(fine, sharp(p + o.zw), a);
      fine = (fine - low) * gain(a, like.rg) + (low - lowest) * gain(a, like.ba) + lowest;
    }
    sum += weight * fine;
  }
  return total > 0.0 ? sum / total : sharp(p);
}
vec3 still(vec2 p) {
  vec3 c = textureLod(photo, p, max(0.0, log2(view.z * float(textureSize(photo, 0).x) / pixels.x))).rgb;
  vec2 t = (p - tileAt.xy) * tileAt.zw;
  return tileAt.z > 0.0 && t == clamp(t, 0.0, 1.0) ? textureLod(tile, t, 0.0).rgb : c;
}
void main() {
  vec2 p = view.xy + at * view.zw;
  if (p != clamp(p, 0.0, 1.0)) { result = vec4(backdrop, 1); return; }
  vec3 colour = still(p);
  vec4 covered = textureLod(cover, p, 0.0);
  if (before < 0.5) {
    if (covered.r > 0.003 && parts > 0) colour += covered.r * (moved(p) - sharp(p));
    if (strength > 0.0) colour += strength * (textureLod(look, p, 0.0).rgb - textureLod(photo, p, thumbLod).rgb);
    vec4 kind = textureLod(colours, p, 0.0);
    colour = mix(colour, mix(neutral, kind.rgb / max(kind.a, 0.01), kind.a), tint * covered.b);
    float ice = textureLod(frozen, p, 0.0).r * step(0.01, tint);
    float stripe = step(0.5, fract((gl_FragCoord.x + gl_FragCoord.y) / 14.0));
    colour = mix(colour, vec3(0.55, 0.85, 1.0), ice * (0.18 + 0.3 * stripe));
  }
  result = vec4(colour, 1);
}`;

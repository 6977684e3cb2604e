// The WebGL program of the markers: all in one draw call. The card moves, turns and colours them, so a frame costs this
// side a few uniforms, whatever their number.
import { link } from '../link';
import { STRIDE, type Columns } from './columns';

const VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec4 a_place;   // from x y, to x y, relative to the origin
layout(location = 1) in vec4 a_motion;  // start, duration, heading from, heading to
layout(location = 2) in vec2 a_state;   // time of the fix, driving
uniform vec2 u_center;                  // of the map, relative to the origin
uniform float u_world;                  // the world's width in pixels
uniform vec2 u_half;                    // half the canvas in pixels
uniform float u_now, u_wall, u_size, u_ratio, u_selected;
uniform vec3 u_live, u_late, u_stale;
out vec2 v_at;           // within the marker: 1 is half its size
flat out vec4 v_color;
flat out vec2 v_shape;   // arrow or disc, device pixels of half the size

// Each marker is one triangle round its shape, with a pixel to spare: what is not covered costs nothing.
vec2 corner(bool arrow, float spare) {
  int i = gl_VertexID % 3;
  if (!arrow || u_selected > 0.5) {
    float r = 2.0 * (u_selected > 0.5 ? 1.9 + spare : 0.8 + spare);
    return i == 0 ? vec2(0.0, -r) : vec2(i == 1 ? -0.8661 * r : 0.8661 * r, 0.5 * r);
  }
  float side = 0.34 + spare;
  float base = 0.739 + spare;
  return i == 0 ? vec2(0.0, -side / 0.369) : vec2((side + 0.369 * base) / 0.929 * (i == 1 ? -1.0 : 1.0), base);
}

void main() {
  float k = a_motion.y > 0.0 ? clamp((u_now - a_motion.x) / a_motion.y, 0.0, 1.0) : 1.0;
  vec2 d = mix(a_place.xy, a_place.zw, k) - u_center;
  d.x -= floor(d.x + 0.5);

  // Fresh for 15 s, then late, stale from a minute on, and faded after ten.
  float age = max(0.0, u_wall - a_state.x);
  v_color = vec4(age < 15.0 ? u_live : age < 60.0 ? u_late : u_stale,
    age < 60.0 ? 1.0 : mix(0.85, 0.4, clamp((age - 60.0) / 540.0, 0.0, 1.0)));

  bool arrow = u_size >= 9.0 && a_state.y > 0.5;
  float size = u_selected > 0.5 ? max(u_size, 18.0) : u_size;
  // A disc needs less room than an arrow.
  float h = 0.5 * (arrow ? size : max(size * 0.6, 6.0));
  v_at = corner(arrow, 1.0 / h);
  v_shape = vec2(arrow ? 1.0 : 0.0, h * u_ratio);
  float heading = arrow ? mix(a_motion.z, a_motion.w, min(1.0, 3.0 * k)) : 0.0;
  vec2 turn = vec2(cos(heading), sin(heading));
  vec2 turned = vec2(v_at.x * turn.x - v_at.y * turn.y, v_at.x * turn.y + v_at.y * turn.x);
  gl_Position = vec4((d * u_world + turned * h) / u_half * vec2(1.0, -1.0), 0.0, 1.0);
}`;

// Kept short: where there is no graphics card this is what a frame costs.
const FRAGMENT = `#version 300 es
precision highp float;
in vec2 v_at;
flat in vec4 v_color;
flat in vec2 v_shape;
uniform vec3 u_edge, u_ring;
uniform float u_line, u_selected;   // device pixels of the outline
out vec4 color;

void main() {
  // The distance to the outline, negative inside: two sides of half an arrow, or a circle.
  float x = abs(v_at.x);
  float d = v_shape.x > 0.5
    ? max(0.929 * x - 0.369 * v_at.y - 0.34, 0.9 * v_at.y - 0.436 * x - 0.378)
    : (dot(v_at, v_at) - 0.64) * 0.625;
  float inside = 0.5 - d * v_shape.y;
  float whole = clamp(inside, 0.0, 1.0) * v_color.a;
  color = vec4(mix(u_edge, v_color.rgb, clamp(inside - u_line, 0.0, 1.0)) * whole, whole);
  if (u_selected > 0.5) {
    float r = length(v_at) - 1.8;
    float ring = clamp(0.5 - abs(r) * v_shape.y + u_line * 0.7, 0.0, 1.0);
    color += vec4(u_ring, 1.0) * max(ring, r < 0.0 ? 0.18 : 0.0) * (1.0 - color.a);
  }
}`;

export type Color = readonly [number, number, number];

export interface Frame {
  center: { x: number; y: number };
  /** The world's width in CSS pixels. */
  world: number;
  width: number;
  height: number;
  ratio: number;
  /** Seconds, monotonic and since the columns' epoch. */
  now: number;
  wall: number;
  /** CSS pixels. */
  size: number;
  colors: Record<'live' | 'late' | 'stale' | 'edge' | 'ring', Color>;
  selected: number | undefined;
}

const UNIFORMS = [
  'center', 'world', 'half', 'now', 'wall', 'size', 'ratio', 'selected', 'live', 'late', 'stale', 'edge', 'ring', 'line',
] as const;

type Uniforms = Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>;

export class Program {
  #gl: WebGL2RenderingContext;
  #buffer: WebGLBuffer;
  #uniforms: Uniforms;
  #corners = new Float32Array(0);
  #capacity = 0;
  #uploaded = -1;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
    const program = link(gl, VERTEX, FRAGMENT);
    gl.useProgram(program);
    this.#uniforms = Object.fromEntries(
      UNIFORMS.map((name) => [name, gl.getUniformLocation(program, `u_${name}`)]),
    ) as Uniforms;
    this.#buffer = gl.createBuffer()!;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    for (const [location, size, offset] of [[0, 4, 0], [1, 4, 4], [2, 2, 8]] as const) {
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, gl.FLOAT, false, STRIDE * 4, offset * 4);
    }
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  draw(columns: Columns, frame: Frame): void {
    const gl = this.#gl;
    const u = this.#uniforms;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (columns.size === 0) return;
    this.#upload(columns);
    gl.uniform2f(u.center, frame.center.x - columns.origin.x, frame.center.y - columns.origin.y);
    gl.uniform1f(u.world, frame.world);
    gl.uniform2f(u.half, frame.width / 2, frame.height / 2);
    gl.uniform1f(u.now, frame.now);
    gl.uniform1f(u.wall, frame.wall);
    gl.uniform1f(u.size, frame.size);
    gl.uniform1f(u.ratio, frame.ratio);
    const { live, late, stale, edge, ring } = frame.colors;
    gl.uniform3f(u.live, ...live);
    gl.uniform3f(u.late, ...late);
    gl.uniform3f(u.stale, ...stale);
    gl.uniform3f(u.edge, ...edge);
    gl.uniform3f(u.ring, ...ring);
    gl.uniform1f(u.line, 1.3 * frame.ratio);
    gl.uniform1f(u.selected, 0);
    gl.drawArrays(gl.TRIANGLES, 0, columns.size * 3);
    if (frame.selected === undefined) return;
    gl.uniform1f(u.selected, 1);
    gl.drawArrays(gl.TRIANGLES, frame.selected * 3, 3);
  }

  #upload(columns: Columns): void {
    if (this.#uploaded === columns.version) return;
    const gl = this.#gl;
    // Three corners with the same numbers each: drawing instances instead costs four times as much without a card.
    const used = columns.size * STRIDE * 3;
    if (used > this.#corners.length) this.#corners = new Float32Array(columns.floats.length * 3);
    const { floats } = columns;
    const corners = this.#corners;
    for (let row = 0, from = 0, to = 0; row < columns.size; row++, from += STRIDE, to += STRIDE * 3) {
      for (let i = 0; i < STRIDE; i++) corners[to + i] = corners[to + STRIDE + i] = corners[to + 2 * STRIDE + i] = floats[from + i]!;
    }
    if (corners.length > this.#capacity) {
      this.#capacity = corners.length;
      gl.bufferData(gl.ARRAY_BUFFER, this.#capacity * 4, gl.DYNAMIC_DRAW);
    }
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, corners, 0, used);
    this.#uploaded = columns.version;
  }
}

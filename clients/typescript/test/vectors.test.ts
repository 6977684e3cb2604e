// The protocol's golden vectors (proto/vectors), as far as a client reads or writes them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { adviceOf, closeCodeOf } from '../src/codes.ts';
import { Cursors } from '../src/cursors.ts';
import { packFixes } from '../src/fixes.ts';
import { encodeFrame, Frames } from '../src/frames.ts';
import { CLOSE, DURABLE, LIMITS, LOG_EVENTS, URGENT_KINDS, type TopicName } from '../src/generated.ts';
import { inflate } from '../src/inflate.ts';
import { unpackTicks } from '../src/ticks.ts';
import { FakeLink, World } from './fake.ts';

/* eslint-disable @typescript-eslint/no-explicit-any */
const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../proto/vectors/${name}.json`, import.meta.url), 'utf8')) as any;
const bytes = (hex: string) => Uint8Array.from(hex.replace(/\s/g, '').match(/../g) ?? [], (byte) => parseInt(byte, 16));
const hex = (data: Uint8Array) => [...data].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const frames = vectors('frames');
for (const { name, hex: stream, events } of frames.frames) {
  test(`frames: ${name}`, () => {
    expect(new Frames().push(bytes(stream))).toEqual(events);
    expect(events.map((event: string) => hex(encodeFrame(event))).join('')).toBe(stream);
  });
}
for (const { name, hex: stream } of frames.incomplete) {
  test(`incomplete frame: ${name}`, () => expect(new Frames().push(bytes(stream))).toEqual([]));
}
for (const { name, hex: stream, limit } of frames.too_large) {
  test(`too large a frame: ${name}`, () => expect(() => new Frames(limit).push(bytes(stream))).toThrow(RangeError));
}

const compressed = vectors('compressed');
for (const { name, frame, message, event } of compressed.compressed) {
  test(`compressed: ${name}`, async () => {
    const [content] = new Frames().push(bytes(frame)) as [Uint8Array];
    expect(hex(Uint8Array.of(LIMITS.compressed_mark, ...content))).toBe(message);
    expect(await inflate(content)).toBe(event);
  });
}
for (const { name, hex: content, limit, trailing } of compressed.bad) {
  // Browsers refuse what follows the end; Node 20 passes over it.
  if (!trailing) test(`badly compressed: ${name}`, () => expect(inflate(bytes(content), limit ?? undefined)).rejects.toThrow());
}

const ticks = vectors('ticks');
for (const vector of ticks.ticks) {
  test(`ticks: ${vector.name}`, () => {
    const read = unpackTicks(bytes(vector.hex));
    expect([read.view, read.epoch]).toEqual([vector.view, vector.epoch]);
    const known = (value: number | undefined, scale: number) => (value === undefined ? undefined : value / scale);
    expect(read.ticks).toEqual(
      vector.ticks.map((tick: any) => ({
        alias: tick.alias,
        fix: {
          time: tick.time,
          lat: tick.lat_e7 / 1e7,
          lon: tick.lon_e7 / 1e7,
          accuracy: known(tick.accuracy_dm, 10),
          speed: known(tick.speed_cms, 100),
          heading: known(tick.heading_cdeg, 100),
          battery: tick.battery_pct,
        },
      })),
    );
  });
}
for (const { name, hex: packet } of ticks.bad_ticks) {
  test(`bad ticks: ${name}`, () => expect(() => unpackTicks(bytes(packet))).toThrow());
}
for (const { name, hex: packet, fixes } of ticks.fixes) {
  test(`fixes: ${name}`, () => {
    expect(packFixes(fixes.map((fix: any) => fix.json)).map(hex)).toEqual([packet.replace(/\s/g, '')]);
  });
}

const codes = vectors('codes');
test('close codes with reason and advice', () => {
  const listed = Object.entries(CLOSE).map(([code, rest]) => ({ code: Number(code), ...rest }));
  expect(listed).toEqual(codes.close);
  for (const { code, advice } of [...codes.close, ...codes.unknown_close]) expect(adviceOf(code), code).toBe(advice);
  expect(adviceOf(undefined)).toBe('now');
});
test('limits', () => {
  const { request_id_bytes: _, ...limits } = codes.limits;
  expect(LIMITS).toEqual(limits);
});
test('a refused greeting closes as the server would', () => {
  expect(closeCodeOf('AUTH_FAILED')).toBe(4200);
  expect(closeCodeOf('TOKEN_EXPIRED')).toBe(4003);
  expect(closeCodeOf('CONNECTION_LIMIT')).toBe(4101);
  expect(closeCodeOf('TOKEN_NOT_YET_VALID')).toBe(4104);
  for (const code of codes.errors) expect([4003, 4101, 4102, 4104, 4200]).toContain(closeCodeOf(code));
});

const names = vectors('names');
test('topics by lane', () => {
  for (const { text, lane } of names.topics) {
    const cursors = new Cursors();
    cursors.moved([{ topic: text as TopicName, epoch: 1, seq: 7 }], 'urgent');
    expect(cursors.list().length, text).toBe(lane === 'urgent' ? 1 : 0);
    expect((URGENT_KINDS as readonly string[]).includes(text.split(':')[0])).toBe(lane === 'urgent');
  }
});

const events = vectors('events');
test('every event of the server is read, those of logs once', async () => {
  const world = new World();
  const { client, link } = await world.connected();
  for (const { wire } of events) {
    if (wire.re !== undefined || wire.event === 'topics') continue;
    const got: unknown[] = [];
    const off = client.on(wire.event, (data: unknown) => got.push(data));
    link.say(wire);
    link.say(wire);
    const log = (LOG_EVENTS as readonly string[]).includes(wire.event);
    if (wire.event === 'server:ping') expect(link.asked('server:pong').length).toBeGreaterThan(1);
    else expect(got, wire.event).toEqual(log ? [wire] : [wire.data, wire.data]);
    off();
  }
});

const commands = vectors('commands');
test('requests are written as the vectors are', async () => {
  for (const { name, wire } of commands) {
    if (['authenticate', 'server:pong', 'subscribe', 'unsubscribe', 'token:refresh'].includes(wire.event)) continue;
    const { client, link } = await new World().connected();
    void client.request(wire.event, wire.data).catch(() => {});
    const said = link.said.at(-1);
    expect({ event: said?.event, data: said?.data }, name).toEqual({ event: wire.event, data: wire.data });
    expect('client_id' in wire.data, name).toBe((DURABLE as readonly string[]).includes(wire.event));
    client.close();
  }
});

test('the first request is the one of the vectors', async () => {
  const { link } = await new World().connected({ deviceId: 'd-7f3a', token: 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln' });
  expect(link).toBeInstanceOf(FakeLink);
  expect(link.said[0]).toEqual(commands[0].wire);
});

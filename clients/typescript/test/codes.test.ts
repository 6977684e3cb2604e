// What becomes of a client, by the code that its connection is closed with. A code without a row fails, here and in the
// compiler: whoever adds one decides what clients do.
import { expect, test } from 'vitest';
import { CLOSE } from '../src/generated.ts';
import { World } from './fake.ts';

/** Back at once (with jitter), at once but with a newer token, after a back-off, or not by itself. */
type Does = 'returns' | 'renews' | 'waits' | 'ends';

const ROWS: Record<keyof typeof CLOSE, Does> = {
  4000: 'returns',
  4001: 'returns',
  4002: 'returns',
  4003: 'renews',
  4100: 'waits',
  4101: 'waits',
  4102: 'waits',
  4103: 'waits',
  4104: 'waits',
  4200: 'renews',
  4201: 'ends',
  4202: 'ends',
  4203: 'ends',
  4204: 'ends',
};

test('every code has a row, and no row is without its code', () => {
  expect(Object.keys(ROWS)).toEqual(Object.keys(CLOSE));
});

for (const [number, does] of Object.entries(ROWS)) {
  const code = Number(number);
  test(`${number} ${does}`, async () => {
    const world = new World();
    world.random = 0.99;
    let tokens = 0;
    const token = () => Promise.resolve(`t-${(tokens += 1)}`);
    const { client, link } = await world.connected({ token, transport: 'websocket' });
    expect(client.state.name).toBe('open');
    link.end(code, 'why');
    await world.clock.pass(0);
    if (does === 'ends') {
      expect(client.state).toEqual({ name: 'closed', code, reason: 'why' });
      await world.clock.pass(3_600_000);
      expect(world.links.length, 'no further attempt').toBe(1);
      return;
    }
    expect(client.state).toMatchObject({ name: 'backoff', code, reason: 'why' });
    const start = world.clock.time;
    while (world.links.length === 1) await world.clock.pass(10);
    const waited = world.clock.time - start;
    // The dice fall high: of the first window, and of the next one.
    expect(waited > 1000, `${waited} ms`).toBe(does === 'waits');
    await world.clock.pass(0);
    expect(client.state.name).toBe('open');
    expect(tokens, 'a newer token').toBe(does === 'renews' ? 2 : 1);
    client.close();
  });
}

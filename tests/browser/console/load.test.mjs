// What it costs: 475 real agents for a minute, and how many frames there are with them and with 5,000.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signIn } from '../lib/people.mjs';
import { Taxis } from '../lib/taxis.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium']);
const MINUTE = 60_000;

/** Bytes that live after all that can be collected has been. */
async function heap(session) {
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}

test('475 agents for a minute: the heap does not grow, no task is long, frames are counted', { timeout: 5 * MINUTE }, async (t) => {
  const taxis = Taxis.drive(w.server, 475);
  const page = await signIn(w.browsers.chromium, w.server, 'dana', 'admin');
  try {
    await page.waitForFunction(() => window.__fanfare.session.fleet.agents.size >= 475, { polling: 100, timeout: 2 * MINUTE });
    await until('the map', () => page.evaluate(() => window.__fanfare.frames().frames > 300), MINUTE);
    const session = await page.createCDPSession();
    const samples = [];
    await page.evaluate(() => window.__fanfare.resetFrames());
    const packets = await page.evaluate(() => window.__fanfare.client.stats().packets);
    const start = performance.now();
    const end = start + MINUTE;
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      samples.push(await heap(session));
    }
    const cost = await page.evaluate(() => window.__fanfare.frames());
    const mean = (cost.frames * 1000) / (performance.now() - start);
    const came = (await page.evaluate(() => window.__fanfare.client.stats().packets)) - packets;
    t.diagnostic(`475 agents: ${mean.toFixed(1)} frames/s with the collections that were forced, half within ${cost.p50.toFixed(1)} ms, 99 of 100 within ${cost.p99.toFixed(1)} ms, drawing ${cost.draw.toFixed(2)} ms; ${came} packets`);
    t.diagnostic(`long tasks ${cost.longTasks}, longest ${cost.longestTask} ms; heap ${samples.map((bytes) => (bytes / 1e6).toFixed(2)).join(', ')} MB`);
    assert.ok(came > 500, 'positions came all the while');
    const grown = samples.at(-1) - samples[1];
    assert.ok(grown < 1.5e6, `the heap grew by ${grown} bytes in 40 s`);
    assert.ok(cost.longestTask <= 100, `a task of ${cost.longestTask} ms`);
    assert.deepEqual(page.faults, []);
  } finally {
    await page.close();
    await taxis.stop();
  }
});

test('5,000 agents: frames are counted, no task is long', { timeout: 2 * MINUTE }, async (t) => {
  const page = await w.browsers.chromium.tab();
  await page.goto(`${w.server.origin}/?test&demo=5000`);
  await until('the map', () => page.evaluate(() => window.__fanfare?.frames().frames > 300), MINUTE);
  await page.evaluate(() => window.__fanfare.resetFrames());
  await until('600 frames', () => page.evaluate(() => window.__fanfare.frames().frames > 600), MINUTE);
  const cost = await page.evaluate(() => window.__fanfare.frames());
  t.diagnostic(`5,000 agents: ${cost.fps.toFixed(1)} frames/s, half within ${cost.p50.toFixed(1)} ms, 99 of 100 within ${cost.p99.toFixed(1)} ms, drawing ${cost.draw.toFixed(2)} ms; long tasks ${cost.longTasks}, longest ${cost.longestTask} ms`);
  assert.ok(cost.draw < 4, 'drawing is the graphics card\'s work, not the page\'s');
  assert.ok(cost.longestTask <= 100, `a task of ${cost.longestTask} ms`);
  await page.close();
});

// What it costs: 475 real agents for a minute, and how many frames there are with them and with 5,000. Without a
// graphics card frames are drawn by the processor, so their number says as much of the machine as of the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signIn } from '../lib/people.mjs';
import { watchTasks } from '../lib/tasks.mjs';
import { Taxis } from '../lib/taxis.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium']);
const MINUTE = 60_000;

/** Bytes that live after all that can be collected has been: the middle of three looks. */
async function heap(session) {
  const looks = [];
  for (let i = 0; i < 3; i++) {
    await session.send('HeapProfiler.collectGarbage');
    looks.push((await session.send('Runtime.getHeapUsage')).usedSize);
  }
  return looks.sort((a, b) => a - b)[1];
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(2);

test('475 agents for a minute: the heap does not grow, no task is long, frames are counted', { timeout: 5 * MINUTE }, async (t) => {
  const taxis = Taxis.drive(w.server, 475);
  const page = await signIn(w.browsers.chromium, w.server, 'dana', 'admin');
  try {
    await page.waitForFunction(() => window.__fanfare.session.fleet.agents.size >= 475, { polling: 100, timeout: 2 * MINUTE });
    // The paths behind the agents have a length that they keep.
    await until('the map', () => page.evaluate(() => window.__fanfare.frames().frames > 900), MINUTE);
    const session = await page.createCDPSession();
    const before = await heap(session);
    const packets = await page.evaluate(() => window.__fanfare.client.stats().packets);
    await page.evaluate(() => window.__fanfare.resetFrames());
    const tasks = await watchTasks(session);
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, MINUTE));
    const cost = await page.evaluate(() => window.__fanfare.frames());
    const mean = (cost.frames * 1000) / (performance.now() - start);
    const done = await tasks();
    const came = (await page.evaluate(() => window.__fanfare.client.stats().packets)) - packets;
    const grown = (await heap(session)) - before;
    t.diagnostic(`figure: 475 agents: ${mean.toFixed(1)} frames/s, half within ${cost.p50.toFixed(1)} ms, 99 of 100 within ${cost.p99.toFixed(1)} ms, drawing ${cost.draw.toFixed(2)} ms; ${came} packets`);
    t.diagnostic(`figure: ${done.count} tasks, the longest ${done.longest.slice(0, 3).map((ms) => ms.toFixed(0)).join(', ')} ms of processor time, by the clock ${cost.longTasks} long ones of up to ${cost.longestTask} ms; heap ${megabytes(before)} MB and ${megabytes(grown)} MB more a minute later`);
    assert.ok(came > 200, 'positions came all the while');
    assert.ok(cost.frames > 300, 'it was drawn all the while');
    assert.ok(grown < 700_000, `the heap grew by ${grown} bytes`);
    assert.ok(done.count > 1000, 'the page was watched');
    assert.ok(done.longest[0] <= 100, `a task of ${done.longest[0]} ms`);
    assert.deepEqual(page.faults, []);
  } finally {
    await page.close();
    await taxis.stop();
  }
});

test('5,000 agents: frames are counted', { timeout: 2 * MINUTE }, async (t) => {
  const page = await w.browsers.chromium.tab();
  await page.goto(`${w.server.origin}/?test&demo=5000`);
  await until('the map', () => page.evaluate(() => window.__fanfare?.frames().frames > 300), MINUTE);
  await page.evaluate(() => window.__fanfare.resetFrames());
  await until('600 frames', () => page.evaluate(() => window.__fanfare.frames().frames > 600), MINUTE);
  const cost = await page.evaluate(() => window.__fanfare.frames());
  t.diagnostic(`figure: 5,000 agents: ${cost.fps.toFixed(1)} frames/s, half within ${cost.p50.toFixed(1)} ms, 99 of 100 within ${cost.p99.toFixed(1)} ms, drawing ${cost.draw.toFixed(2)} ms; long tasks ${cost.longTasks}, longest ${cost.longestTask} ms`);
  assert.ok(cost.draw * 4 < cost.p50, 'drawing is the graphics card\'s work, not the page\'s');
  await page.close();
});

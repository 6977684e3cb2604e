// Tabs that end: the server knows at once, and keeps nothing of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live, signIn } from '../lib/people.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium', 'firefox']);

test('whoever leaves is gone from the server at once, also by a tab that dies', async (t) => {
  const ways = {
    // A tab of Firefox that is closed may die before its session's goodbye has left the process.
    left: ['firefox', (page) => page.goto('about:blank')],
    closed: ['chromium', (page) => page.close()],
    crashed: ['chromium', async (page) => {
      const session = await page.createCDPSession();
      // It never answers.
      session.send('Page.crash').catch(() => {});
    }],
  };
  for (const [how, [kind, leave]] of Object.entries(ways)) {
    const page = await signIn(w.browsers[kind], w.server, `tab-${how}`, 'member');
    await live(page, 'webtransport');
    await w.server.connections(1, 10_000);
    await leave(page);
    const took = await w.server.connections(0, 10_000);
    t.diagnostic(`${kind}, ${how}: gone after ${took} ms`);
    // Silence alone would take 30 s.
    assert.ok(took < 5000, `${how}: gone after ${took} ms`);
    if (how === 'left') await page.close();
  }
});

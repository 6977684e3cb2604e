// The connection panel: what it shows, the switch to WebSocket and back, the cut and the way back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, go, live, press, says, signIn } from '../lib/people.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium', 'firefox']);

for (const kind of ['chromium', 'firefox']) {
  test(`${kind}: WebTransport, forced WebSocket and back, cut and resumed: every message once, in order`, async () => {
    const user = `dana-${kind}`;
    const other = await signIn(w.browsers.chromium, w.server, `wei-${kind}`, 'member');
    const { conversation_id: id } = await ask(other, 'conversation:create', { kind: 'private', members: [user] });
    const page = await signIn(w.browsers[kind], w.server, user, 'admin');
    await live(page, 'webtransport');
    await page.evaluate(() => {
      window.heard = [];
      window.__fanfare.client.on('message:new', ({ data }) => window.heard.push(data.text));
    });
    // Somebody goes on talking all the while.
    await other.evaluate((conversation_id) => {
      window.said = 0;
      window.talk = (async () => {
        while (!window.enough) {
          await window.__fanfare.client.request('message:send', { conversation_id, text: String(window.said++) });
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
    }, id);

    await go(page, '#/connection');
    await says(page, 'main h2', 'Live over WebTransport');
    await press(page, 'Force WebSocket');
    await live(page, 'websocket');
    await says(page, 'main h2', 'Live over WebSocket');
    await says(page, 'header', 'WebSocket');
    await press(page, 'Cut the connection');
    await page.waitForFunction(() => window.__fanfare.client.stats().reconnects > 0, { polling: 20, timeout: 20_000 });
    await live(page, 'websocket');
    await press(page, 'Force WebSocket');
    await live(page, 'webtransport');
    await press(page, 'Cut the connection');
    await live(page);
    await other.evaluate(async () => { window.enough = true; await window.talk; });
    const said = await other.evaluate(() => window.said);
    await page.waitForFunction((n) => window.heard.length >= n, { polling: 20, timeout: 20_000 }, said).catch(() => {});
    const heard = await page.evaluate(() => window.heard);
    const from = Number(heard[0]);
    assert.deepEqual(heard, Array.from({ length: said - from }, (_, i) => String(from + i)));
    assert.ok(said > 20);
    assert.deepEqual(page.faults, []);
    await page.close();
    await other.close();
  });
}

test('the server is killed under two browsers and comes back: every message once, in order, and positions go on', async (t) => {
  const people = {};
  for (const [user, kind] of [['ada', 'chromium'], ['ben', 'firefox']]) {
    const page = await signIn(w.browsers[kind], w.server, user, 'supervisor');
    await live(page, 'webtransport');
    await page.evaluate(() => {
      window.heard = [];
      window.__fanfare.client.on('message:new', ({ data }) => window.heard.push(data.text));
    });
    people[user] = page;
  }
  const { ada, ben } = people;
  const agent = await signIn(w.browsers.chromium, w.server, 'cab', 'agent');
  const { conversation_id: id } = await ask(ada, 'conversation:create', { kind: 'private', members: ['ben'] });

  /** Says so many things, one after another, each answered before the next. */
  const say = (page, from, count) => page.evaluate(async (conversation_id, first, n) => {
    for (let i = first; i < first + n; i++) await window.__fanfare.client.request('message:send', { conversation_id, text: String(i) });
  }, id, from, count);
  const heard = (page, count) => page.waitForFunction((n) => window.heard.length >= n, { polling: 20, timeout: 30_000 }, count);
  let counter = Math.floor(Date.now() / 1000);
  const seen = async (lat) => {
    await ask(agent, 'location:update', { fixes: [{ counter: (counter += 1), time: Date.now(), lat, lon: 120 }] });
    for (const page of [ada, ben]) {
      const moved = (wanted) => Math.abs((window.__fanfare.session.fleet.agents.get('cab')?.fix?.lat ?? 0) - wanted) < 1e-5;
      await page.waitForFunction(moved, { polling: 20, timeout: 15_000 }, lat);
    }
  };

  await say(ada, 0, 50);
  await seen(31.1);
  // One goes on talking while the server dies.
  const talking = say(ada, 50, 100);
  await heard(ben, 60);
  await w.server.crash();
  const back = performance.now();
  for (const page of [ada, ben, agent]) {
    await page.waitForFunction(() => window.__fanfare.client.stats().reconnects > 0, { polling: 20, timeout: 30_000 });
    await live(page);
  }
  t.diagnostic(`all are live again ${Math.round(performance.now() - back)} ms after the server is`);
  await talking;
  await say(ben, 150, 50);
  await seen(31.2);
  for (const page of [ada, ben]) {
    await heard(page, 200);
    assert.deepEqual(await page.evaluate(() => window.heard), Array.from({ length: 200 }, (_, i) => String(i)));
    await says(page, 'header [role=status]', 'Live');
    assert.deepEqual(page.faults, []);
    await page.close();
  }
  await agent.close();
});

test('the log lists what happens, filters, pauses, and is bounded', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'log', 'admin');
  await go(page, '#/log');
  await says(page, '[role=option]', 'client:open');
  const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'private', members: ['nobody'] });
  await says(page, '[role=option]', 'conversation:created');
  await press(page, 'Chat', 'main');
  await page.waitForFunction(() => [...document.querySelectorAll('[role=option]')].every((row) => /conversation:|message:/.test(row.textContent)), { polling: 20 });
  await press(page, 'Pause');
  await page.evaluate(async (conversation_id) => {
    const send = (text) => window.__fanfare.client.request('message:send', { conversation_id, text });
    for (let i = 0; i < 600; i += 30) await Promise.all(Array.from({ length: 30 }, (_, k) => send(`m ${i + k}`)));
  }, id);
  await says(page, '[role=status]', 'Paused, ');
  assert.equal((await page.$$eval('[role=option]', (all) => all.filter((row) => row.textContent.includes('m 599')))).length, 0);
  await press(page, 'Resume');
  await says(page, '[role=option]', 'm 599');
  assert.equal(await page.evaluate(() => window.__fanfare.session.log.entries.length), 500);
  await page.click('[role=option]');
  await says(page, 'pre', '"text": "m 599"');
  await page.close();
});

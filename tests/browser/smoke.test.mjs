// What a page does, in Chromium and in Firefox, with the real server. The other browser is the other end.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Browser } from './lib/browsers.mjs';
import { Server, token } from './lib/server.mjs';
import { serve } from './lib/site.mjs';

const browsers = {};
let site;

before(async () => {
  site = await serve();
  for (const kind of Browser.kinds) {
    browsers[kind] = await Browser.launch(kind);
    console.log(`# ${browsers[kind].version}`);
  }
});

after(async () => {
  for (const browser of Object.values(browsers)) await browser.close();
  site?.close();
});

/** A test with a server of its own, and tabs that are closed after it. */
function withServer(name, body) {
  test(name, async (t) => {
    const server = await Server.start([site.origin]);
    const pages = [];
    /** A tab in which `s` is an authenticated session. */
    const join = async (kind, user, role, transport) => {
      const page = await browsers[kind].page(site);
      pages.push(page);
      const data = { base: server.base, transport, token: token(user, role) };
      await page.evaluate(async (o) => { window.s = await open(await discover(o.base), o.transport, o.token); }, data);
      return page;
    };
    try {
      await body({ server, join, t });
    } finally {
      for (const page of pages) if (!page.isClosed()) await page.close();
      await server.stop();
    }
  });
}

for (const [kind, other] of [['chromium', 'firefox'], ['firefox', 'chromium']]) {
  describe(kind, () => {
    for (const transport of ['webtransport', 'websocket']) describe(transport, () => forEach(kind, other, transport));
  });
}

function forEach(kind, other, transport) {
  withServer('a message reaches the other browser, and its answer comes back', async ({ join }) => {
    const ann = await join(kind, 'ann', 'member', transport);
    const bob = await join(other, 'bob', 'member', 'webtransport');
    const room = await ann.evaluate(async () => {
      const data = { client_id: 'k1', kind: 'private', members: ['bob'] };
      return (await s.request('conversation:create', data)).data.conversation_id;
    });
    for (const [i, [from, to]] of [[ann, bob], [bob, ann], [ann, bob]].entries()) {
      const text = `Grüezi ${i} 🎺 ${'x'.repeat(10_000)}`;
      const message = { client_id: `m${i}`, conversation_id: room, text };
      const stored = await from.evaluate(async (data) => (await s.request('message:send', data)).data, message);
      const heard = await to.evaluate(
        (id) => s.until(() => s.events.find((e) => e.event === 'message:new' && e.client_id === id)),
        message.client_id,
      );
      assert.equal(heard.data.text, text);
      assert.equal(heard.seq, stored.seq);
      assert.equal(heard.lane, 0);
    }
  });

  withServer('urgent notices have a lane of their own', async ({ join }) => {
    const chief = await join(kind, 'chief', 'admin', transport);
    const bob = await join(other, 'bob', 'member', 'webtransport');
    const urgent = { client_id: 'u', message: 'Leave by stair B', priority: 'urgent' };
    const ask = (data) => (s.requestUrgently ?? s.request).call(s, 'system:broadcast', data);
    const answer = await chief.evaluate(ask, urgent);
    assert.equal(answer.lane, transport === 'webtransport' ? 1 : 0, 'answered on the lane it was asked on');
    for (const page of [chief, bob]) {
      const notice = await page.evaluate(() => s.until(() => s.events.find((e) => e.event === 'system:broadcast')));
      assert.equal(notice.data.message, urgent.message);
      assert.equal(notice.lane, page === bob || transport === 'webtransport' ? 1 : 0);
    }
  });

  withServer('positions go to a supervisor as packets', async ({ join }) => {
    const agent = await join(other, 'agent', 'agent', 'webtransport');
    const watcher = await join(kind, 'watcher', 'supervisor', transport);
    await driveBefore(agent, watcher);
  });

  withServer('an agent sends its positions as packets', async ({ join }) => {
    const agent = await join(kind, 'agent', 'agent', transport);
    const watcher = await join(other, 'watcher', 'supervisor', 'webtransport');
    await driveBefore(agent, watcher);
  });

  withServer('a close from the page is noticed within a second', async ({ server, join, t }) => {
    const page = await join(kind, 'ann', 'member', transport);
    assert.equal(await server.metric('fanfare_connections'), 1);
    const noticed = page.evaluate(() => { s.close(4900, 'tschüss'); return s.closed; });
    t.diagnostic(`noticed after ${await server.connections(0, 1000)} ms`);
    assert.equal((await noticed).code, 4900);
  });

  withServer('a closed tab is noticed within a second', async ({ server, join, t }) => {
    const page = await join(kind, 'ann', 'member', transport);
    assert.equal(await server.metric('fanfare_connections'), 1);
    await page.close();
    t.diagnostic(`noticed after ${await server.connections(0, 1000)} ms`);
  });

  withServer('a page that is left is noticed within a second', async ({ server, join, t }) => {
    const page = await join(kind, 'ann', 'member', transport);
    assert.equal(await server.metric('fanfare_connections'), 1);
    await page.goto('about:blank');
    t.diagnostic(`noticed after ${await server.connections(0, 1000)} ms`);
  });

  withServer('a server that stops says so', async ({ server, join }) => {
    const page = await join(kind, 'ann', 'member', transport);
    server.terminate();
    assert.deepEqual(await page.evaluate(() => s.closed), { code: 4000, reason: 'going away' });
    assert.equal(await server.exited, 0);
  });

  withServer('a page of another origin is turned away', async ({ server }) => {
    const foreign = await serve();
    const page = await browsers[kind].page(foreign);
    try {
      const data = { base: server.base, told: await server.told(), transport };
      const outcome = await page.evaluate(async ({ base, told, transport }) => {
        const failed = (work) => work.then(() => 'let in', (error) => error.name);
        return { discover: await failed(discover(base)), connect: await failed(connect(told, transport)) };
      }, data);
      assert.equal(outcome.discover, 'TypeError', 'it may not read how to connect');
      assert.notEqual(outcome.connect, 'let in');
      assert.equal(await server.metric('fanfare_connections'), 0);
    } finally {
      await page.close();
      foreign.close();
    }
  });

  test('a killed browser is noticed within the idle time', async (t) => {
    // The system closes the TCP connections of the dead, so only QUIC has to wait.
    const server = await Server.start([site.origin], { FANFARE_SESSION__QUIC_IDLE_MS: '5000' });
    const victim = await Browser.launch(kind);
    try {
      const page = await victim.page(site);
      const data = { base: server.base, transport, token: token('ann', 'member') };
      await page.evaluate(async (o) => { window.s = await open(await discover(o.base), o.transport, o.token); }, data);
      assert.equal(await server.metric('fanfare_connections'), 1);
      victim.kill();
      // QUIC counts from the server's own last question, too, which is asked after a third of the idle time.
      t.diagnostic(`noticed after ${await server.connections(0, (5000 * 4) / 3 + 1500)} ms`);
    } finally {
      await victim.close();
      await server.stop();
    }
  });
}

/** The agent's fixes arrive at the watcher one by one, the last ones as ticks, and are stored. */
async function driveBefore(agent, watcher) {
  const FIXES = 10;
  const subscribe = async () => (await s.request('subscribe', { channels: ['locations'] })).data;
  const { view } = (await watcher.evaluate(subscribe)).subscriptions[0];
  const start = Date.now();
  const known = { lon_e7: -134_049_540, speed_cms: 139, battery_pct: 87 };
  const place = (i) => ({ ...known, time: start + i, lat_e7: 525_200_080 + i });
  const send = (i) => agent.evaluate((fix) => s.sendPacket(packFixes([fix])), { counter: i, ...place(i) });
  await send(1);
  const { alias } = await watcher.evaluate(() => s.until(() => {
    const agents = s.events.filter((e) => e.event === 'location:agents').flatMap((e) => e.data.agents);
    return agents.find((a) => a.agent_id === 'agent');
  }));
  for (let i = 2; i <= FIXES; i += 1) {
    await send(i);
    // A tick that is lost comes again after a second.
    const find = (time) => s.until(() => s.ticks.find((t) => t.time === time));
    const { epoch: _, ...tick } = JSON.parse(JSON.stringify(await watcher.evaluate(find, start + i)));
    assert.deepEqual(tick, { ...place(i), alias, view });
  }
  const told = await agent.evaluate((last) => s.until(() => {
    const words = s.events.filter((e) => e.event === 'location:stored').map((e) => e.data);
    return words.some((w) => w.stored?.some(([, to]) => to === last)) && words;
  }), FIXES);
  const stored = new Set();
  for (const [from, to] of told.flatMap((word) => word.stored ?? [])) {
    for (let counter = from; counter <= to; counter += 1) stored.add(counter);
  }
  assert.equal(stored.size, FIXES, JSON.stringify(told));
  assert.deepEqual(told.flatMap((word) => word.rejected ?? []), []);
}

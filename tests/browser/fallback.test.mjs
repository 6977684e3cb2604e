// Where UDP does not get through: live over WebSocket within three seconds, and over WebTransport again once it does.
// Run by fallback.sh, in a network namespace of its own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, test } from 'node:test';
import { Browser } from './lib/browsers.mjs';
import { ask, live } from './lib/people.mjs';
import { Server, token } from './lib/server.mjs';

/**
 * From the request for the page to the first position on it: 1 to 2 s on a machine that does nothing else. Whoever waited for
 * the attempt by UDP to give up would need 10 s more.
 */
const LIMIT = 9000;

const nft = (...rule) => execFileSync('nft', rule, { stdio: ['ignore', 'ignore', 'inherit'] });
const heal = () => nft('flush', 'chain', 'inet', 'cut', 'input');
const cut = (server, how) => nft('add', 'rule', 'inet', 'cut', 'input', 'udp', 'dport', new URL(server.base).port, how);

let server;
before(async () => {
  assert.equal(process.env.FANFARE_OWN_NETWORK, '1', 'fallback.sh runs this: it cuts the network that it runs in');
  nft('add', 'table', 'inet', 'cut');
  nft('add', 'chain', 'inet', 'cut', 'input', '{ type filter hook input priority 0; }');
  server = await Server.start([], {
    FANFARE_LIMITS__MESSAGES_PER_SECOND: '10000',
    FANFARE_LIMITS__MESSAGES_PER_SECOND_PER_USER: '10000',
    FANFARE_LIMITS__MESSAGES_PER_SECOND_PER_ORGANISATION: '10000',
  });
});
afterEach(heal);
after(() => server?.stop());

/** Signs in at the server's own page; answers it and how long the first position took in ms. */
async function enter(browser, user) {
  const page = await browser.tab();
  const start = performance.now();
  await page.goto(`${server.origin}/?test#token=${token(user, 'supervisor')}`);
  await live(page);
  await page.waitForFunction(() => window.__fanfare.session.fleet.agents.size > 0, { polling: 10, timeout: 30_000 });
  return { page, took: Math.round(performance.now() - start) };
}

const transport = (page) => page.evaluate(() => window.__fanfare.client.state.transport);

for (const kind of Browser.kinds) {
  test(kind, async (t) => {
    const agent = await seen(server);
    const browser = await Browser.launch(kind);
    try {
      for (const [how, what] of [[undefined, 'WebTransport'], ['drop', 'UDP dropped'], ['reject', 'UDP refused']]) {
        await t.test(what, async (t) => {
          if (how) cut(server, how);
          const { page, took } = await enter(browser, `${kind}-${how}`);
          t.diagnostic(`${await transport(page)}, first position after ${took} ms`);
          if (how) assert.equal(await transport(page), 'websocket');
          // Where the machine is slow the WebSocket may win the first race. It is left after 30 s then.
          else await page.waitForFunction(() => window.__fanfare.client.state.transport === 'webtransport', { polling: 20, timeout: 60_000 });
          assert.ok(took < LIMIT, `${took} ms`);
          await page.browserContext().close();
        });
        heal();
      }
      await t.test('back on WebTransport, and not a message lost on the way', async (t) => {
        cut(server, 'drop');
        const { page } = await enter(browser, `${kind}-reader`);
        const writer = await speaker(server, 'writer', 'member');
        const made = await writer.ask('conversation:create', { client_id: `c-${kind}`, kind: 'private', members: [`${kind}-reader`] });
        const { conversation_id } = made;
        await page.evaluate(() => {
          window.got = [];
          window.__fanfare.client.on('message:new', ({ data }) => window.got.push(data.text));
        });
        heal();
        const start = performance.now();
        let sent = 0;
        while ((await transport(page)) !== 'webtransport') {
          assert.ok(performance.now() - start < 90_000, 'it never came back');
          await writer.ask('message:send', { client_id: `m-${kind}-${sent}`, conversation_id, text: String(sent) });
          sent += 1;
        }
        const moved = Math.round((performance.now() - start) / 1000);
        await writer.ask('message:send', { client_id: `m-${kind}-last`, conversation_id, text: String(sent) });
        await page.waitForFunction((all) => window.got.length >= all, { polling: 20, timeout: 20_000 }, sent + 1);
        assert.deepEqual(await page.evaluate(() => window.got), Array.from({ length: sent + 1 }, (_, n) => String(n)));
        t.diagnostic(`moved after ${moved} s while ${sent} messages came`);
        await ask(page, 'client:ping', {});
        writer.close();
      });
    } finally {
      agent.close();
      await browser.close();
    }
  });
}

/** A position to be seen. */
async function seen(server) {
  const agent = await speaker(server, 'agent', 'agent');
  await agent.ask('location:update', { fixes: [{ counter: Date.now(), time: Date.now(), lat: 31.5, lon: 120.3 }] });
  return agent;
}

/** Somebody who speaks plain JSON over WebSocket. */
async function speaker(server, user, role) {
  const socket = new WebSocket(`${server.base.replace('http', 'ws')}/ws`);
  const open = new Map();
  let id = 0;
  socket.onmessage = ({ data }) => {
    const { event, re, data: content } = JSON.parse(data);
    if (event === 'server:ping') socket.send('{"event":"server:pong"}');
    const waiting = open.get(re);
    open.delete(re);
    if (event === 'error') waiting?.reject(new Error(JSON.stringify(content)));
    else waiting?.resolve(content);
  };
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  const ask = (event, data) => new Promise((resolve, reject) => {
    open.set((id += 1), { resolve, reject });
    socket.send(JSON.stringify({ event, id, data }));
  });
  await ask('authenticate', { token: token(user, role) });
  return { ask, close: () => socket.close() };
}

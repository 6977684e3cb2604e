// What fails while the page lives, and what the browser refuses: never a white page. One token for all tabs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, go, live, press, says, signIn } from '../lib/people.mjs';
import { token } from '../lib/server.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium']);
const until = (page, what, ...args) => page.waitForFunction(what, { polling: 20, timeout: 15_000 }, ...args);

test('with site data blocked the page works in memory, and says so', async () => {
  const page = await w.browsers.chromium.tab();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  await page.evaluateOnNewDocument(() => {
    const denied = () => { throw new DOMException('The operation is insecure.', 'SecurityError'); };
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'BroadcastChannel', 'Notification', 'caches']) {
      Object.defineProperty(window, name, { get: denied, configurable: true });
    }
    Object.defineProperty(Navigator.prototype, 'locks', { get: denied, configurable: true });
  });
  await page.goto(`${w.server.origin}/?test#token=${token('ann', 'member')}`);
  await live(page);
  await says(page, '[role=status]', 'keeps no data for this site');
  await press(page, 'Understood');
  const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'private', members: ['bob'] });
  await go(page, `#/chat/${id}`);
  await (await page.waitForSelector('main textarea')).type('kept');
  await go(page, '#/log');
  await page.waitForSelector('[role=listbox]');
  await go(page, `#/chat/${id}`);
  assert.equal(await (await page.waitForSelector('main textarea')).evaluate((field) => field.value), 'kept');
  await press(page, 'Account of ann');
  await press(page, 'Light');
  await until(page, () => document.documentElement.dataset.theme === 'light');
  await press(page, 'Account of ann');
  await press(page, 'Sign out');
  await says(page, 'main', 'keeps no data for this site');
  assert.deepEqual(faults, []);
  await page.close();
});

test('a part that is gone after an upgrade asks for a reload; a view that fails keeps the others', async () => {
  const page = await w.browsers.chromium.tab();
  await page.setRequestInterception(true);
  page.on('request', (request) => (/ConnectionView/.test(request.url()) ? request.respond({ status: 404, body: '' }) : request.continue()));
  await page.goto(`${w.server.origin}/?test#token=${token('ann', 'member')}`);
  await live(page);
  await go(page, '#/connection');
  await says(page, 'main [role=alert]', 'The console was updated');
  await says(page, 'main button', 'Reload');
  await says(page, '[role=alert] p', 'Reload to use all parts of it');
  const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'private', members: ['bob'] });
  await go(page, `#/chat/${id}`);
  await page.waitForSelector('main textarea');
  // Something in one conversation that no code expects.
  await page.evaluate(() => { Intl.Segmenter.prototype.segment = () => { throw new Error('as if by chance'); }; Array.prototype.findLast = () => { throw new Error('as if by chance'); }; });
  await ask(page, 'message:send', { conversation_id: id, text: 'x' });
  await says(page, 'main [role=alert]', 'as if by chance');
  await go(page, '#/log');
  await page.waitForSelector('main [role=listbox]');
  await page.close();
});

test('one token for all tabs: taken over, renewed, warned of before it ends, signed out', async () => {
  const soon = (minutes) => Math.floor(Date.now() / 1000) + minutes * 60;
  const one = await w.browsers.chromium.tab();
  await one.goto(`${w.server.origin}/?test#token=${token('kim', 'member', soon(4))}`);
  await live(one);
  await says(one, '[role=status]', 'Your access token ends in 4 min');
  const two = await one.browserContext().newPage();
  await two.goto(`${w.server.origin}/?test`);
  await live(two);
  await two.waitForSelector('[aria-label="Account of kim"]');
  await says(two, '[role=status]', 'Your access token ends in');
  await press(two, 'Renew');
  // A bad one takes the place of none.
  await two.type('dialog textarea', `${token('kim', 'member', soon(600)).slice(0, -6)}AAAAAA`);
  await press(two, 'Go on', 'dialog');
  await says(two, '[role=status]', 'The server refused the new token');
  await press(two, 'Renew');
  await two.type('dialog textarea', token('kim', 'member', soon(600)));
  await press(two, 'Go on', 'dialog');
  for (const page of [two, one]) {
    await page.bringToFront();
    await until(page, () => window.__fanfare.session.endsAt > Date.now() + 300 * 60_000);
    await until(page, () => !document.body.textContent.includes('Your access token ends'));
  }
  // A token of somebody else in another tab is that tab's alone.
  const three = await one.browserContext().newPage();
  await three.goto(`${w.server.origin}/?test#token=${token('lee', 'member')}`);
  await live(three);
  // A bad one is told of there, however long the good one is valid.
  await three.evaluate((bad) => { location.hash = `#token=${bad}`; }, `${token('lee', 'member').slice(0, -6)}AAAAAA`);
  await says(three, '[role=alert]', 'The server refused the new token. The present one goes on.');
  await press(three, 'Understood');
  await one.bringToFront();
  await press(one, 'Account of kim');
  await press(one, 'Sign out');
  for (const page of [one, two]) await says(page, 'h1', 'Fanfare console');
  assert.ok(await three.$('[aria-label="Account of lee"]'));
  for (const page of [three, two, one]) await page.close();
});

test('a clock that is wrong refuses no token: the server decides', async () => {
  const page = await w.browsers.chromium.tab();
  await page.evaluateOnNewDocument(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + 20 * 60_000;
  });
  await page.goto(`${w.server.origin}/?test`);
  await page.waitForSelector('textarea');
  await page.type('textarea', token('ned', 'member', Math.floor(Date.now() / 1000) + 600));
  await says(page, 'small', 'The server decides');
  await press(page, 'Sign in');
  await live(page);
  // An urgent notice is news, whatever this clock says.
  const boss = await signIn(w.browsers.chromium, w.server, 'boss', 'admin');
  await ask(boss, 'system:broadcast', { message: 'Leave by stair B', priority: 'urgent' });
  await says(page, '[aria-live=assertive]', 'Leave by stair B');
  await until(page, () => document.title.startsWith('! '));
  await boss.close();
  await page.close();
});

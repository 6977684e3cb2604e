// Signing in and out: the token in the address, pasted, refused, expired.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, live, press, says, signIn } from '../lib/people.mjs';
import { token } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { world } from '../lib/world.mjs';

// A role of the configuration, besides those that the server knows.
const w = world(['chromium', 'firefox'], {}, '[auth.roles.dispatcher]\nis = "member"\nmay = ["watch_locations", "broadcast"]');

for (const kind of ['chromium', 'firefox']) {
  test(`${kind}: the address signs in, and keeps no token`, async () => {
    const page = await signIn(w.browsers[kind], w.server, 'dana', 'admin');
    assert.doesNotMatch(await page.evaluate(() => location.href), /token|eyJ/);
    await says(page, 'header', 'acme');
    await press(page, 'Account of dana');
    await says(page, '[role=menu]', 'admin');
    // A reload of the tab stays signed in.
    await page.keyboard.press('Escape');
    await page.reload();
    await live(page);
    assert.deepEqual(page.faults, []);
    await page.close();
  });
}

test('a pasted token signs in, whatever stands around it; signing out forgets it', async () => {
  const page = await w.browsers.chromium.tab();
  await page.goto(`${w.server.origin}/?test`);
  // The page asks its other tabs first.
  await page.waitForSelector('textarea');
  await page.type('textarea', 'not a token');
  await page.keyboard.press('Enter');
  await says(page, 'small', 'This is no token');
  await page.click('textarea', { count: 3 });
  await page.type('textarea', `http://localhost:4433/#token=${token('ann', 'supervisor')}`);
  await press(page, 'Sign in');
  await live(page);
  await press(page, 'Account of ann');
  await press(page, 'Sign out');
  await says(page, 'h1', 'Fanfare console');
  await page.reload();
  await says(page, 'h1', 'Fanfare console');
  assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage).includes('eyJ')), false);
  await page.close();
});

test('a token that had expired before is told so at the door', async () => {
  const page = await w.browsers.chromium.tab();
  await page.goto(`${w.server.origin}/?test#token=${token('fay', 'admin', Math.floor(Date.now() / 1000) - 3600)}`);
  await says(page, '[role=alert]', 'has expired');
  await page.close();
});

test('a forged token is refused with a word, and a new one helps', async () => {
  const page = await w.browsers.chromium.tab();
  const forged = `${token('eve', 'admin').slice(0, -6)}AAAAAA`;
  await page.goto(`${w.server.origin}/?test#token=${forged}`);
  await says(page, '[role=alert]', 'refused this token');
  await page.type('textarea', token('eve', 'admin'));
  await press(page, 'Sign in');
  await live(page);
  await page.close();
});

test('an expired token: a new one goes on where one was, a draft included', async () => {
  const page = await w.browsers.chromium.tab();
  const soon = Math.floor(Date.now() / 1000) + 8;
  await page.goto(`${w.server.origin}/?test#token=${token('fay', 'admin', soon)}`);
  await live(page);
  const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'private', members: ['gus'] });
  await page.evaluate((to) => { location.hash = `#/chat/${to}`; }, id);
  await (await page.waitForSelector('main textarea')).type('half a sen');
  await says(page, 'dialog[open]', 'Paste a new token', 30_000);
  await says(page, 'header [role=status]', 'Disconnected');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]');
  await page.type('dialog textarea', token('fay', 'admin'));
  await press(page, 'Go on', 'dialog');
  await live(page);
  await page.waitForFunction(() => !document.querySelector('dialog'), { polling: 20 });
  assert.equal(await page.$eval('main textarea', (element) => element.value), 'half a sen');
  await page.close();
});

test('the address that the server prints, opened where the console is open', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'ann', 'supervisor');
  for (const user of ['ann', 'ben']) {
    await page.evaluate((fragment) => { location.hash = fragment; }, `token=${token(user, 'admin')}`);
    await page.waitForFunction((name) => document.querySelector(`[aria-label="Account of ${name}"]`), { polling: 20 }, user);
    await live(page);
    assert.doesNotMatch(await page.evaluate(() => location.href), /token|eyJ/);
  }
  // What no address can be is no reason to show nothing.
  await page.goto('about:blank');
  await page.goto(`${w.server.origin}/?test#token=%E0%A4%A`);
  await says(page, '[role=alert]', 'refused this token');
  await page.close();
});

test('signing out leaves nothing for who comes next: no draft, no unsent message', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'ida', 'member');
  const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'private', members: ['jon'] });
  await page.evaluate((to) => { location.hash = `#/chat/${to}`; }, id);
  await (await page.waitForSelector('main textarea')).type('not for jon');
  await page.evaluate((conversation_id) => {
    Object.defineProperty(navigator, 'onLine', { value: false, configurable: true });
    window.__fanfare.client.interrupt();
    window.__fanfare.client.request('message:send', { conversation_id, text: 'never sent' }).catch(() => {});
  }, id);
  await press(page, 'Account of ida');
  await press(page, 'Sign out');
  await says(page, 'dialog[open]', 'not been sent yet');
  await press(page, 'Stay', 'dialog');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Account of ida');
  await press(page, 'Account of ida');
  await press(page, 'Sign out');
  await press(page, 'Sign out all the same', 'dialog');
  await says(page, 'h1', 'Fanfare console');
  await until('nothing to be kept', async () => !(await page.evaluate(() => indexedDB.databases())).some(({ name }) => name.includes('ida')));
  await page.evaluate(() => Object.defineProperty(navigator, 'onLine', { value: true, configurable: true }));
  await page.type('textarea', token('jon', 'member'));
  await press(page, 'Sign in');
  await live(page);
  await page.evaluate((to) => { location.hash = `#/chat/${to}`; }, id);
  assert.equal(await (await page.waitForSelector('main textarea')).evaluate((element) => element.value), '');
  await page.close();
});

test('the page may talk to its own server, and nothing else', async () => {
  const policy = (await fetch(w.server.origin)).headers.get('content-security-policy');
  const port = new URL(w.server.base).port;
  assert.ok(policy.includes(`connect-src 'self' ws://localhost:${port} https://127.0.0.1:${port};`), policy);
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
});

test('who may not watch is told so, and may chat', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'pat', 'patient');
  await says(page, 'h1', 'Chat');
  await page.evaluate(() => { location.hash = '#/map'; });
  await says(page, 'main', 'Positions are not yours to see');
  assert.equal(await page.$('aria/Send notice'), null);
  await ask(page, 'conversation:create', { kind: 'private', members: ['ann'] });
  await page.close();
});

test('what one may is what the server says, also of a role that it has by configuration', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'dora', 'dispatcher');
  await page.waitForSelector('.maplibregl-canvas');
  await press(page, 'Send notice');
  await says(page, 'dialog', 'To everyone');
  await page.close();
  const platform = await signIn(w.browsers.chromium, w.server, 'root', 'platform');
  await says(platform, 'h1', 'Connection');
  await platform.evaluate(() => { location.hash = '#/map'; });
  await says(platform, 'main', 'nor take part in conversations');
  await platform.close();
});

test('a notice reaches the others at once: urgent ones as an alert', async () => {
  const [ann, bob] = [await signIn(w.browsers.chromium, w.server, 'ann', 'supervisor'), await signIn(w.browsers.firefox, w.server, 'bob', 'member')];
  await press(ann, 'Send notice');
  await ann.type('dialog textarea', 'Leave by stair B <b>now</b>');
  await press(ann, 'Urgent', 'dialog');
  await press(ann, 'Send to all', 'dialog');
  await says(bob, '[aria-live=assertive]', 'Leave by stair B <b>now</b>');
  await press(bob, 'Put away', '[aria-live=assertive]');
  await bob.waitForFunction(() => !document.querySelector('[aria-live=assertive]').textContent, { polling: 20 });
  await ask(ann, 'system:broadcast', { message: 'Coffee is ready', priority: 'low' });
  await says(bob, '[aria-live=polite]', 'Coffee is ready');
  assert.deepEqual([...ann.faults, ...bob.faults], []);
  await ann.close();
  await bob.close();
});

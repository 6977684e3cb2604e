// What happens elsewhere is told by those who asked for it; texts of others lead where they say, and turn nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, go, live, press, says, signIn } from '../lib/people.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium']);
const until = (page, what, ...args) => page.waitForFunction(what, { polling: 20, timeout: 15_000 }, ...args);

test('notifications come after asking, for what is not on the screen, and not while one does not want to be disturbed', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'ann', 'member');
  const bob = await signIn(w.browsers.chromium, w.server, 'bob', 'supervisor');
  await page.bringToFront();
  // The system's own are out of a test's sight.
  await page.evaluate(() => {
    window.shown = [];
    window.Notification = class {
      static permission = 'default';
      static async requestPermission() { return (this.permission = window.answer); }
      constructor(title, { body }) { window.shown.push(`${title}: ${body}`); }
      close() {}
    };
    window.answer = 'denied';
  });
  const { conversation_id: id } = await ask(bob, 'conversation:create', { kind: 'private', members: ['ann'] });
  const write = (text) => ask(bob, 'message:send', { conversation_id: id, text });
  const asked = async () => {
    await press(page, 'Account of ann');
    await (await until(page, () => [...document.querySelectorAll('[role=menuitemcheckbox]')].find((item) => item.textContent === 'Notifications'))).asElement().click();
  };
  await asked();
  await says(page, 'dialog[open]', 'Notifications are not allowed');
  await press(page, 'Close', 'dialog');
  await page.evaluate(() => { window.answer = 'granted'; });
  await asked();
  await until(page, () => Notification.permission === 'granted' && localStorage.getItem('fanfare-console:notifications') === 'on');
  // The first one tells that this browser shows them.
  assert.deepEqual(await page.evaluate(() => window.shown.splice(0)), ['Fanfare: Notifications are on.']);
  await go(page, '#/log');
  await write('one');
  await until(page, () => window.shown.length === 1);
  // On the screen: nothing to tell. Nor is there with what comes while one is busy.
  await go(page, `#/chat/${id}`);
  await says(page, '[role=log]', 'one');
  await until(page, () => document.title === 'Fanfare');
  await write('two');
  await says(page, '[role=log]', 'two');
  await press(page, 'Account of ann');
  await press(page, 'Do not disturb', '[role=menu]');
  await go(page, '#/log');
  await write('three');
  await ask(bob, 'system:broadcast', { message: 'quiet', priority: 'low' });
  await says(page, '[role=status]', 'quiet');
  await until(page, () => document.title === '(1) Fanfare');
  await press(page, 'Account of ann');
  await says(page, '[role=menu]', 'only urgent notices');
  await press(page, 'Online', '[role=menu]');
  await write('four');
  await until(page, () => window.shown.length === 2);
  assert.deepEqual(await page.evaluate(() => window.shown), ['bob: one', 'bob: four']);
  // What is urgent is told to the busy, too. What another tab shows to somebody is told by none.
  await press(page, 'Account of ann');
  await press(page, 'Do not disturb', '[role=menu]');
  await page.evaluate(() => { document.hasFocus = () => false; });
  await ask(bob, 'system:broadcast', { message: 'out', priority: 'urgent' });
  await until(page, () => window.shown.length === 3);
  await page.evaluate(() => localStorage.setItem('fanfare-console:sound', 'on'));
  const two = await page.browserContext().newPage();
  await two.goto(`${w.server.origin}/?test`);
  await live(two);
  // A browser lets no page sound before it was clicked.
  await says(two, '[role=status]', 'Click once for sound');
  await two.click('main');
  await until(two, () => !document.body.textContent.includes('Click once for sound'));
  await two.evaluate(() => { document.hasFocus = () => true; });
  await ask(bob, 'system:broadcast', { message: 'seen', priority: 'urgent' });
  await says(two, '[role=alert]', 'seen');
  await two.evaluate(() => { document.hasFocus = () => false; });
  await ask(bob, 'system:broadcast', { message: 'unseen', priority: 'urgent' });
  await until(page, () => window.shown.length >= 4);
  assert.deepEqual(await page.evaluate(() => window.shown.slice(2)), ['Urgent notice from bob: out', 'Urgent notice from bob: unseen']);
  await two.close();
  assert.deepEqual(page.faults, []);
  await page.close();
  await bob.close();
});

test('links lead where they say, also cut; texts of others turn no line; names are read', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'ivy', 'member');
  const zoe = '~~Zo=C3=AB=207';
  const { conversation_id: id } = await ask(page, 'conversation:create', { kind: 'group', title: 'Foto \u202Egpj.exe', members: [zoe] });
  const texts = [
    'https://en.wikipedia.org/wiki/Foo_(bar)', '(https://x.org/a[1]).', 'HTTPS://X.org/a', `${'x'.repeat(1193)} https://x.org/${'y'.repeat(400)}`,
    `${'x'.repeat(1199)}😀${'y'.repeat(400)}`, 'שלום',
  ];
  for (const text of texts) await ask(page, 'message:send', { conversation_id: id, text });
  await go(page, `#/chat/${id}`);
  await says(page, '[role=log]', 'שלום');
  assert.deepEqual(await page.$$eval('[data-key] a', (all) => all.map((a) => a.href)), [
    'https://en.wikipedia.org/wiki/Foo_(bar)', 'https://x.org/a[1]', 'https://x.org/a',
  ]);
  const shown = await page.$$eval('[data-key] > div', (all) => all.map((element) => [element.textContent, getComputedStyle(element).direction]));
  assert.ok(shown[3][0].endsWith('x  …Show all') && !shown[3][0].includes('https'), shown[3][0].slice(-40));
  assert.ok(shown[4][0].endsWith('x …Show all'), shown[4][0].slice(-40));
  assert.equal(shown[5][1], 'rtl');
  await press(page, 'Show all', '[data-key] ');
  await until(page, () => [...document.querySelectorAll('[data-key] a')].length === 4);
  const read = await page.$$eval('main h2, main header p, nav strong', (all) => all.map((element) => element.textContent));
  assert.ok(read.includes('Foto gpj.exe') && read.includes('you, Zoë 7'), JSON.stringify(read));
  assert.doesNotMatch(await page.evaluate(() => document.body.innerHTML), /\u202E|~~Zo/);
  // Found in every browser's language.
  await page.type('[role=searchbox]', 'FOTO GPJ');
  await says(page, 'nav[aria-label=Conversations]', 'Foto');
  assert.deepEqual(page.faults, []);
  await page.close();
});

// Who is there, in the console: seen by others in another browser, in list, header and members.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, go, live, press, says, signIn } from '../lib/people.mjs';
import { token } from '../lib/server.mjs';
import { world } from '../lib/world.mjs';

// The grace is short, so that nobody waits for it.
const w = world(['chromium', 'firefox'], { FANFARE_PRESENCE__GRACE_MS: '500' });

/** Waits until a person's mark in the list of conversations has this name. */
const marked = async (page, name, state) => {
  const found = (n, s) => [...document.querySelectorAll('nav[aria-label=Conversations] li')]
    .some((line) => line.textContent.includes(n) && line.querySelector('svg[role=img]')?.getAttribute('aria-label') === s);
  await page.waitForFunction(found, { polling: 20, timeout: 15_000 }, name, state);
};
/** Waits until one's own mark, on the button of the account, is this; also in a tab that nobody looks at. */
const shows = async (page, user, state) => {
  const found = (u, s) => document.querySelector(`[aria-label="Account of ${u}"] svg[data-state=${s}]`);
  await page.waitForFunction(found, { polling: 20, timeout: 15_000 }, user, state);
};
const choose = async (page, user, item) => {
  await press(page, `Account of ${user}`);
  await press(page, item, '[role=menu]');
};

for (const [a, b] of [['chromium', 'firefox'], ['firefox', 'chromium']]) {
  test(`${a} sees who is there in ${b}: state, text, and when they were last seen`, async () => {
    const [ann, bob] = [`ann-${a}`, `bob-${a}`];
    const one = await signIn(w.browsers[a], w.server, ann, 'member');
    const { conversation_id: id } = await ask(one, 'conversation:create', { kind: 'private', members: [bob] });
    const { conversation_id: group } = await ask(one, 'conversation:create', { kind: 'group', title: 'Ward 3', members: [bob, 'nobody'] });
    await go(one, '#/chat');
    await marked(one, bob, 'Offline');
    const two = await signIn(w.browsers[b], w.server, bob, 'member');
    await marked(one, bob, 'Online');

    await choose(two, bob, 'Do not disturb');
    await marked(one, bob, 'Do not disturb');
    await shows(two, bob, 'busy');
    await choose(two, bob, 'Set a status text');
    await two.waitForSelector('dialog input');
    await two.type('dialog input', 'ü'.repeat(129));
    await says(two, 'dialog small', 'Too long by 2 bytes');
    await two.click('dialog input', { count: 3 });
    await two.type('dialog input', 'Rounds <b>until</b> 14:00');
    await two.keyboard.press('Enter');
    await go(one, `#/chat/${id}`);
    await says(one, 'main header p', 'Do not disturb · Rounds <b>until</b> 14:00');

    // What is chosen is the page's, not the connection's: it is there again after a reload.
    await two.reload();
    await live(two);
    await shows(two, bob, 'busy');
    await says(one, 'main header p', 'Do not disturb');

    // Looking at this and that asks the server for nothing.
    await one.evaluate(() => {
      const { client } = window.__fanfare;
      const request = client.request.bind(client);
      window.asked = [];
      client.request = (event, ...rest) => {
        window.asked.push(event);
        return request(event, ...rest);
      };
    });
    await go(one, `#/chat/${group}`);
    await press(one, 'Members');
    await says(one, 'dialog li', `${bob}Do not disturb · Rounds`);
    await says(one, 'dialog li', `${ann} (you)Online`);
    await says(one, 'dialog li', 'nobodyOffline');
    await one.keyboard.press('Escape');
    await go(one, '#/connection');
    await go(one, '#/chat');
    await marked(one, bob, 'Do not disturb');
    assert.deepEqual(await one.evaluate(() => window.asked.filter((event) => event.includes('subscribe'))), []);

    await go(one, `#/chat/${id}`);
    // A tab of Firefox that is closed may die before its session's goodbye has left the process.
    if (b === 'firefox') await two.goto('about:blank');
    await two.close();
    await says(one, 'main header p', 'Last seen just now · Rounds');
    await marked(one, bob, 'Offline');
    assert.deepEqual(one.faults, []);
    await one.close();
  });
}

test('what one chooses in one tab holds in all tabs of the browser', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'boss', 'supervisor');
  const other = await page.browserContext().newPage();
  await other.goto(`${w.server.origin}/?test#token=${token('boss', 'supervisor')}`);
  await live(other);
  await page.bringToFront();
  await choose(page, 'boss', 'Do not disturb');
  await choose(page, 'boss', 'Away');
  for (const tab of [page, other]) await shows(tab, 'boss', 'away');
  await page.close();
  await other.close();
});

// Two people in two kinds of browser chat by the console.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, go, live, press, says, signIn } from '../lib/people.mjs';
import { world } from '../lib/world.mjs';

const w = world(['chromium', 'firefox']);

const texts = (page) => page.$$eval('[data-key] > div:first-child', (all) => all.map((element) => element.textContent));
const status = async (page, text, wanted) => {
  const found = (t, s) => [...document.querySelectorAll('[data-key]')].some((row) => row.textContent.includes(t) && s.includes(row.dataset.status));
  await page.waitForFunction(found, { polling: 10, timeout: 20_000 }, text, wanted);
};
const write = async (page, text) => {
  await page.focus('main textarea');
  await page.keyboard.type(text);
  await page.keyboard.press('Enter');
};

for (const [a, b] of [['chromium', 'firefox'], ['firefox', 'chromium']]) {
  test(`${a} writes, ${b} reads: receipts, a cut connection, older pages`, async () => {
    const [ann, bob] = [`ann-${a}`, `bob-${a}`];
    const one = await signIn(w.browsers[a], w.server, ann, 'supervisor');
    const two = await signIn(w.browsers[b], w.server, bob, 'member');
    await go(one, '#/chat');
    await press(one, 'New conversation');
    await one.type('dialog input', bob);
    await one.evaluate(() => {
      window.focused = [];
      document.addEventListener('focusin', ({ target }) => window.focused.push(target.ariaLabel ?? target.id));
    });
    await one.keyboard.press('Enter');
    await one.waitForSelector('main textarea');
    // What is typed before there is a field for it presses nothing.
    assert.ok(!(await one.evaluate(() => window.focused)).includes('New conversation'));
    const id = await one.evaluate(() => location.hash.split('/chat/')[1]);

    // Two is elsewhere: delivered, not read.
    await one.bringToFront();
    await write(one, 'Where are you?');
    await status(one, 'Where are you?', ['delivered']);
    await says(two, 'nav', '1');
    await two.bringToFront();
    await go(two, `#/chat/${id}`);
    await says(two, '[role=log]', 'Where are you?');
    await status(one, 'Where are you?', ['read']);

    // Text is text, lines are kept, and Shift and Enter sends nothing.
    await two.focus('main textarea');
    await two.keyboard.type('<i>At</i> @');
    await says(two, '[role=option]', ann);
    await two.keyboard.press('Enter');
    await two.keyboard.down('Shift');
    await two.keyboard.press('Enter');
    await two.keyboard.up('Shift');
    await two.keyboard.type('the gate');
    await two.keyboard.press('Enter');
    await status(one, '<i>At</i>', ['sent', 'delivered', 'read']);
    assert.equal((await texts(one)).at(-1), `<i>At</i> @${ann} \nthe gate`);
    assert.equal(await one.$eval('[data-key] mark', (element) => element.textContent), `@${ann}`);

    // What is sent into a cut connection shows at once, and arrives once, in order.
    await one.bringToFront();
    await one.evaluate(() => window.__fanfare.client.interrupt());
    for (const text of ['cut 1', 'cut 2', 'cut 3']) await write(one, text);
    await says(one, '[role=log]', 'cut 3');
    await live(one);
    await status(one, 'cut 3', ['sent', 'delivered', 'read']);
    await says(two, '[role=log]', 'cut 3');
    assert.deepEqual((await texts(two)).filter((text) => text.startsWith('cut')), ['cut 1', 'cut 2', 'cut 3']);

    // A long past is read as one scrolls, and what one looks at stays where it is.
    await one.evaluate(async (conversation_id) => {
      for (let i = 0; i < 130; i++) await window.__fanfare.client.request('message:send', { conversation_id, text: `past ${i}` });
    }, id);
    await two.bringToFront();
    await says(two, '[role=log]', 'past 129');
    await two.reload();
    await live(two);
    await says(two, '[role=log]', 'past 129');
    assert.ok((await texts(two)).length < 100);
    const kept = await two.evaluate(async () => {
      const log = document.querySelector('[role=log]');
      const first = log.querySelector('[data-key]');
      log.scrollTop = 0;
      const before = first.getBoundingClientRect().top;
      const rows = log.querySelectorAll('[data-key]').length;
      while (log.querySelectorAll('[data-key]').length === rows) await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
      return { moved: Math.abs(first.getBoundingClientRect().top - before), rows: log.querySelectorAll('[data-key]').length };
    });
    assert.ok(kept.moved < 80, `the message looked at moved by ${kept.moved} px`);
    assert.ok(kept.rows > 90);
    assert.deepEqual([...one.faults, ...two.faults], []);
    await one.close();
    await two.close();
  });
}

test('a group with a title, and what is too long is not sent', async () => {
  const page = await signIn(w.browsers.chromium, w.server, 'gil', 'member');
  await go(page, '#/chat');
  await press(page, 'New conversation');
  await press(page, 'Group', 'dialog');
  await page.type('dialog input', 'Night shift');
  const [, members] = await page.$$('dialog input');
  await members.type('hal,ida,');
  await says(page, 'dialog ul', 'ida');
  await press(page, 'Begin', 'dialog');
  await says(page, 'main h2', 'Night shift');
  await says(page, 'main header', 'gil, hal, ida'.replace('gil', 'you'));
  await page.$eval('main textarea', (element) => {
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(element, 'ü'.repeat(9000));
    element.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await says(page, 'main [role=status]', 'Too long by');
  assert.equal(await page.$eval('[aria-label=Send]', (element) => element.disabled), true);
  await ask(page, 'client:ping', {});
  await page.close();
});

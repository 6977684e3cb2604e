// Texts of users: how long they are, how they are cut, found, and shown beside others.
import { describe, expect, test } from 'vitest';
import { nameOf, privateWith } from '../src/chat/naming';
import { idsIn } from '../src/chat/people';
import { readBy, receipts } from '../src/chat/receipts';
import { cut, mentionable, parts, trimmed } from '../src/chat/text';
import { jsonBytes, lengthNote, MOST, sendable, surplus } from '../src/lib/limits';
import { boundary, isolated, named, plain, short } from '../src/lib/plain';
import { matches } from '../src/lib/search';

const NOBODY = new Set<string>();
const links = (text: string) => parts(text, NOBODY).filter(({ kind }) => kind === 'link').map(({ href }) => href);

describe('how long a text is', () => {
  test.each([
    ['x', 1], ['"', 2], ['\\', 2], ['\n', 2], ['\t', 2], ['\r', 2], ['\b', 2], ['\f', 2], ['\u0001', 6], ['\u007f', 1], ['ü', 2], ['漢', 3],
    ['😀', 4], ['\u2028', 3], ['\ud83d', 3],
  ])('%j counts %d', (text, bytes) => expect(jsonBytes(text)).toBe(bytes));

  test('what JSON escapes counts as the server counts it: 12,000 characters of code are too long', () => {
    const code = '{"a":1}\n'.repeat(1500);
    expect(code).toHaveLength(12_000);
    expect(surplus(code, MOST.message)).toBe(16_500 - 2 - MOST.message);
    expect(lengthNote(code, MOST.message)).toEqual({ text: 'Too long by 114 bytes', over: true });
    expect(lengthNote('{"a":1}\n'.repeat(380), MOST.notice)).toEqual({ text: 'Too long by 82 bytes', over: true });
    expect(surplus('x'.repeat(16_384), MOST.message)).toBe(0);
  });

  test('it is said near the limit only', () => {
    expect(lengthNote('x'.repeat(14_000), MOST.message)).toBeUndefined();
    expect(lengthNote('x'.repeat(16_380), MOST.message)).toEqual({ text: '4 bytes left', over: false });
    expect(lengthNote(`${'x'.repeat(16_384)}   \n`, MOST.message)).toEqual({ text: '0 bytes left', over: false });
    expect(lengthNote('ü'.repeat(129), MOST.status)).toEqual({ text: 'Too long by 2 bytes', over: true });
  });

  test('half a character is not sent', () => {
    expect(sendable('a\ud83d')).toBe('a\ufffd');
    expect(sendable('\ude00a')).toBe('\ufffda');
    expect(sendable('a😀b')).toBe('a😀b');
  });
});

describe('links', () => {
  test.each([
    ['https://en.wikipedia.org/wiki/Foo_(bar)', 'https://en.wikipedia.org/wiki/Foo_(bar)'],
    ['(see https://en.wikipedia.org/wiki/Foo_(bar))', 'https://en.wikipedia.org/wiki/Foo_(bar)'],
    ['https://x.org/a[1]', 'https://x.org/a[1]'],
    ['HTTPS://X.org/a', 'https://x.org/a'],
    ['https://x.org/a).', 'https://x.org/a'],
    ['https://x.org/a?b=1, and', 'https://x.org/a?b=1'],
    ['见 https://x.org/a。', 'https://x.org/a'],
    ['https://x.org/a\u202Egpj.exe', 'https://x.org/a'],
  ])('%s', (text, href) => {
    expect(links(text)).toEqual([href]);
    expect(parts(text, NOBODY).map((p) => p.text).join('')).toBe(text);
  });

  test('what is no address, or looks like that of another host, is none', () => {
    expect(links('https:// http://[bad https://bank.example@evil.example/')).toEqual([]);
    expect(trimmed('https://x.org/((a))')).toBe('https://x.org/((a))');
  });

  test('cut for display, a link leads where the whole one does, or is left out', () => {
    const text = `${'x'.repeat(1193)} https://x.org/${'y'.repeat(400)}`;
    const shown = cut(parts(text, NOBODY), 1200);
    expect(shown).toEqual([{ kind: 'text', text: `${'x'.repeat(1193)} ` }]);
    const [only] = cut(parts(`https://x.org.example/${'y'.repeat(2000)}`, NOBODY), 10);
    expect(only!.text.startsWith('https://x.org.example')).toBe(true);
    expect(only!.href).toHaveLength(2022);
  });

  test('no half emoji, no letter without its marks', () => {
    expect(cut(parts(`${'x'.repeat(1199)}😀${'y'.repeat(400)}`, NOBODY), 1200)).toEqual([{ kind: 'text', text: 'x'.repeat(1199) }]);
    const family = '👩‍👩‍👧';
    expect(boundary(`ab${family}`, 5)).toBe(2);
    expect(short(`abc e\u0301fg`, 5)).toBe('abc …');
    expect(short('a\nb  c', 10)).toBe('a b c');
  });
});


describe('direction', () => {
  test('marks that turn neighbours are left out', () => {
    expect(plain('photo\u202Egpj.exe')).toBe('photogpj.exe');
    expect(isolated('\u2067a\u2069')).toBe('a');
    expect(isolated('שלום')).toBe('\u2068שלום\u2069');
    expect(nameOf({ kind: 'group', title: 'Foto \u202Egpj.exe', members: [] }, 'me')).toBe('Foto gpj.exe');
  });

  test('ids are shown as the names that they were made of', () => {
    expect(named('~~Zo=C3=AB=207')).toBe('Zoë 7');
    expect(nameOf({ kind: 'private', members: ['me', '~~Zo=C3=AB=207'] }, 'me')).toBe('Zoë 7');
  });
});

describe('finding', () => {
  test.each([
    ['Taxi 7', 'TAXI', true], ['TAXI', 'taxi', true], ['İstanbul', 'istanbul', true], ['ısı', 'ISI', true], ['Straße', 'STRASSE', true],
    ['Zoë', 'zoe', true], ['ΟΔΟΣ', 'οδος', true], ['ﬁre', 'FIRE', true], ['Night shift', 'shift night', true], ['Night', 'day', false], ['any', '', true],
  ])('%s by %s: %s', (text, query, expected) => expect(matches(text, query)).toBe(expected));

  test('members by id or name', () => {
    expect(mentionable(['bob', '~~Zo=C3=AB=207'], 'zoe', named)).toEqual(['~~Zo=C3=AB=207']);
    expect(mentionable(['bob', 'Bert'], 'B', named)).toEqual(['bob', 'Bert']);
  });

  test('people who are typed by name are those of that id', () => {
    expect(idsIn('Zoë 7, bob carl', ['~~Zo=C3=AB=207'])).toEqual({ ids: ['~~Zo=C3=AB=207', 'bob', 'carl'] });
    expect(idsIn('bob, bob', ['bob'])).toEqual({ ids: ['bob'] });
    expect(idsIn('bob, Žofie', [])).toEqual({ wrong: 'Žofie' });
  });
});

test('there is one private conversation with a person', () => {
  const all = [
    { id: '1', kind: 'group', members: ['bob', 'me'] }, { id: '2', kind: 'private', members: ['bob', 'me'] }, { id: '3', kind: 'private', members: ['carl', 'me'] },
  ];
  expect(privateWith(all, 'bob', 'me')?.id).toBe('2');
  expect(privateWith(all, 'dan', 'me')).toBeUndefined();
});

test('who has read a message, and who only has it', () => {
  const marks = [
    { user_id: 'me', delivered: 9, read: 9 }, { user_id: 'dan', delivered: 5, read: 5 }, { user_id: 'bob', delivered: 5, read: 2 },
    { user_id: 'carl', delivered: 4, read: 4 },
  ];
  expect(receipts(marks, 5, 'me')).toEqual({ read: ['dan'], delivered: ['bob'] });
});

test('of a group whose marks are not all listed it is not said that nobody has read', () => {
  expect([readBy(0, 12, 12), readBy(3, 40, 40)]).toEqual(['nobody yet', '3']);
  expect(readBy(0, 40, 60)).toBe('0 of the 40 members listed');
});

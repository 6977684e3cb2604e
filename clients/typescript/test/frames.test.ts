// Wherever the network cuts a stream, the same events come out.
import { expect, test } from 'vitest';
import { encodeFrame, Frames } from '../src/frames.ts';

/** Numbers that look random and are the same each time. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

for (let seed = 1; seed <= 200; seed += 1) {
  test(`cut anywhere, ${seed}`, () => {
    const die = dice(seed);
    const events = Array.from({ length: die(12) }, () => 'aé→😀"\u0000'.repeat(die(60)).slice(0, die(300)));
    const sent = events.map((event) => new TextDecoder().decode(new TextEncoder().encode(event)));
    const stream = join(sent.map(encodeFrame));
    const frames = new Frames();
    const got: (string | Uint8Array)[] = [];
    for (let at = 0; at < stream.length; ) {
      const end = at + die(seed % 2 === 0 ? 7 : 200);
      got.push(...frames.push(stream.slice(at, end)));
      at = end;
    }
    expect(got).toEqual(sent);
  });
}

test('what is announced is not believed, and what came is not kept', () => {
  const frames = new Frames(100);
  expect(frames.push(new Uint8Array([0, 0, 0, 100, 1]))).toEqual([]);
  expect(() => new Frames(100).push(new Uint8Array([0, 0, 0, 101]))).toThrow(RangeError);
  expect(() => new Frames().push(new Uint8Array([0, 0, 0, 1, 0xff]))).toThrow();
});

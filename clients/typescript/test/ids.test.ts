import { expect, test } from 'vitest';
import { readableId } from '../src/index.ts';

test('names of other scripts are readable', () => {
  expect(readableId('~~Zo=C3=AB=207')).toBe('Zoë 7');
  expect(readableId('~~=E9=A9=AC')).toBe('马');
  expect(readableId('~~=7E=7Eann')).toBe('~~ann');
});

test('what the server did not escape is shown as it is', () => {
  const ids = ['ann', 'auth0|9', '~servers', '~~', '~~ann', '~~=c3=ab', '~~=C', '~~=C3', '~~=41=20', '~~a~=20', '~~=3D'];
  for (const id of ids) expect(readableId(id)).toBe(id);
});

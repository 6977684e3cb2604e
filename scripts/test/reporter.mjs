// A reporter for node:test: a line of JSON for each test that ended; what tests print goes through as it is.
export default async function* reporter(source) {
  for await (const { type, data } of source) {
    if (type === 'test:stdout' || type === 'test:stderr') yield data.message;
    if (type === 'test:diagnostic') yield `# ${data.message}\n`;
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    // Node reports the file itself as a test that holds the others.
    if (data.skip !== undefined || data.todo !== undefined || data.details.type === 'suite') continue;
    if (data.nesting === 0 && data.name.endsWith('.mjs')) {
      if (type === 'test:pass') continue;
    }
    const error = data.details.error;
    const test = {
      name: data.name,
      seconds: data.details.duration_ms / 1000,
      ok: type === 'test:pass',
      output: error ? String(error.cause?.stack ?? error.stack ?? error) : '',
    };
    yield `${JSON.stringify({ test })}\n`;
  }
}

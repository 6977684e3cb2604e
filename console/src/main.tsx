import '@fontsource-variable/inter/index.css';
import './styles/tokens.css';
import './styles/base.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { expose } from './lib/expose';
import { frames } from './lib/frames';
import { Session } from './session/session';
import { kept, takeFromAddress } from './session/token';
import { start } from './shell/theme';

start();
frames.watch();
const root = createRoot(document.getElementById('root')!);
const query = new URLSearchParams(location.search);
const demo = Number(query.get('demo'));

if (demo > 0) {
  const { Demo } = await import('./demo/Demo');
  if (query.has('test')) expose({});
  root.render(<Demo agents={Math.min(demo, 100_000)} />);
} else {
  const token = takeFromAddress() ?? kept();
  root.render(
    <StrictMode>
      <App initial={token === undefined ? undefined : new Session(token)} />
    </StrictMode>,
  );
}

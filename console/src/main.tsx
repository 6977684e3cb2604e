import '@fontsource-variable/inter/index.css';
import './styles/tokens.css';
import './styles/base.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { expose } from './lib/expose';
import { frames } from './lib/frames';
import { watchForUpdates } from './lib/updated';
import { Session } from './session/session';
import { Tabs } from './session/tabs';
import { keep, kept, takeFromAddress } from './session/token';
import { Boundary } from './shell/Boundary';
import { start } from './shell/theme';

watchForUpdates();
start();
frames.watch();
const root = createRoot(document.getElementById('root')!);
const query = new URLSearchParams(location.search);
const demo = Number(query.get('demo'));

if (demo > 0) {
  const { Demo } = await import('./demo/Demo');
  if (query.has('test')) expose({});
  root.render(<Boundary page><Demo agents={Math.min(demo, 100_000)} /></Boundary>);
} else {
  const tabs = new Tabs();
  const token = takeFromAddress() ?? kept() ?? (await tabs.ask());
  if (token !== undefined) keep(token);
  root.render(
    <StrictMode>
      <Boundary page><App initial={token === undefined ? undefined : new Session(token)} tabs={tabs} /></Boundary>
    </StrictMode>,
  );
}

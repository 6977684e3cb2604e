// What lies under the agents: choices that are kept, and whether streets can be had.
import { useEffect, useState } from 'react';
import { tilesReachable } from './reachable';

export type TilesChoice = 'auto' | 'off';
const KEY = 'fanfare:tiles';
const WAKES = 'fanfare:paths';

export function useTiles() {
  const [choice, setChoice] = useState<TilesChoice>(() => (localStorage.getItem(KEY) === 'off' ? 'off' : 'auto'));
  const [reachable, setReachable] = useState<boolean>();
  useEffect(() => {
    if (choice === 'off') return;
    const end = new AbortController();
    const look = () => void tilesReachable(end.signal).then((found) => { if (!end.signal.aborted) setReachable(found); });
    look();
    addEventListener('online', look, { signal: end.signal });
    return () => end.abort();
  }, [choice]);
  const [wakes, setWakes] = useState(() => localStorage.getItem(WAKES) !== 'off');
  const chooseWakes = (on: boolean) => {
    localStorage.setItem(WAKES, on ? 'on' : 'off');
    setWakes(on);
  };
  const choose = (wanted: TilesChoice) => {
    localStorage.setItem(KEY, wanted);
    setChoice(wanted);
  };
  return { choice, choose, reachable, on: choice === 'auto' && reachable === true, wakes, chooseWakes };
}

import { useMemo } from 'react';
import css from './log.module.css';

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi;

/** JSON that is easy to read: keys and values told apart. */
export function Json({ text }: { text: string }) {
  const parts = useMemo(() => {
    const found: React.ReactNode[] = [];
    let end = 0;
    for (const match of text.matchAll(TOKEN)) {
      const [whole, , colon] = match;
      const word = colon === undefined ? whole : whole.slice(0, -colon.length);
      found.push(text.slice(end, match.index), <span key={match.index} className={colon === undefined ? css.value : css.key}>{word}</span>, colon ?? '');
      end = match.index + whole.length;
    }
    found.push(text.slice(end));
    return found;
  }, [text]);
  return <>{parts}</>;
}

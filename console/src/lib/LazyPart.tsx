import { Suspense, use, useState, type ReactNode } from 'react';
import { Button } from '../ui/Button';
import { loadChunk } from './chunk';

interface Props<T> {
  load: () => Promise<T>;
  /** What the part is, for people: "chart". */
  name: string;
  /** Shown until it is there. */
  waiting: ReactNode;
  children: (part: T) => ReactNode;
}

/** A part of the page that is loaded when it is shown. Where it cannot be, it says so, and the rest goes on. */
export function LazyPart<T>(props: Props<T>) {
  const [part] = useState(() => loadChunk(props.load).then((loaded) => ({ loaded }), () => undefined));
  return <Suspense fallback={props.waiting}><Loaded {...props} part={part} /></Suspense>;
}

function Loaded<T>({ part, name, children }: Props<T> & { part: Promise<{ loaded: T } | undefined> }) {
  const found = use(part);
  return found ? children(found.loaded) : <Missing name={name} />;
}

export function Missing({ name }: { name: string }) {
  return (
    <p role="alert">
      The {name} could not be loaded. The server may have a newer version of this page.{' '}
      <Button kind="quiet" onClick={() => location.reload()}>Reload the page</Button>
    </p>
  );
}

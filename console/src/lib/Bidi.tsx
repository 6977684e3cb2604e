import { named, plain } from './plain';

/** A user's text within a line: with its own direction, and without a say in that of the line. */
export function Bidi({ children }: { children: string }) {
  return <bdi dir="auto">{plain(children)}</bdi>;
}

/** The name of a user, by the id. */
export function Name({ id }: { id: string }) {
  return <bdi dir="auto">{named(id)}</bdi>;
}

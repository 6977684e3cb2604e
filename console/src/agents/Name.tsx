import { named } from '../lib/plain';
import css from './agents.module.css';

/** Characters at the end that stay when a name is too long: numbers differ there. */
const TAIL = 6;

/** An agent's name. Where room is scarce the middle of a plain one is left out, not its end. */
export function Name({ id }: { id: string }) {
  const name = named(id);
  // Other scripts join their letters, or run from right to left: such a name stays in one piece.
  const plain = /^[\x20-\x7e]*$/.test(name);
  return (
    <bdi className={css.id} title={name} dir="auto">
      <span>{plain ? name.slice(0, -TAIL) : name}</span>
      {plain && <span>{name.slice(-TAIL)}</span>}
    </bdi>
  );
}

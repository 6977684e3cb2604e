import css from './agents.module.css';

/** Characters at the end that stay when a name is too long: numbers differ there. */
const TAIL = 6;

/** An agent's id. Where room is scarce its middle is left out, not its end. */
export function Name({ id }: { id: string }) {
  return (
    <span className={css.id} title={id}>
      <span>{id.slice(0, -TAIL)}</span>
      <span>{id.slice(-TAIL)}</span>
    </span>
  );
}

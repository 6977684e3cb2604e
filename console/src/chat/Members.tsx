import { Name } from '../lib/Bidi';
import { Face } from '../people/Dot';
import { PersonLine } from '../people/Line';
import { Dialog } from '../ui/Dialog';
import css from '../people/people.module.css';

interface Props {
  name: string;
  members: readonly string[];
  count: number;
  me: string | undefined;
  onClose: () => void;
}

/** Who takes part in a conversation, and who of them is there. */
export function Members({ name, members, count, me, onClose }: Props) {
  return (
    <Dialog title="Members" text={name} onClose={onClose}>
      <ul className={css.members} aria-label="Members" tabIndex={0}>
        {members.map((member) => (
          <li key={member} className={css.member}>
            <Face user={member} named={false} />
            <div>
              <strong><Name id={member} />{member === me && ' (you)'}</strong>
              <p><PersonLine user={member} /></p>
            </div>
          </li>
        ))}
        {count > members.length && <li className={css.rest}>and {count - members.length} more</li>}
      </ul>
    </Dialog>
  );
}

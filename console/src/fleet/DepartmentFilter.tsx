import { useState, type FormEvent } from 'react';
import { ListFilter } from 'lucide-react';
import { Popover } from 'radix-ui';
import { useSession } from '../session/context';
import { Button } from '../ui/Button';
import { TextField } from '../ui/Field';
import type { LiveFleet } from './fleet';
import { useFleetVersion } from './hooks';
import css from './fleet.module.css';

/** Narrows the fleet to a department. The server decides whether one may see it. */
export function DepartmentFilter({ fleet }: { fleet: LiveFleet }) {
  useFleetVersion(fleet, 1000);
  const { claims } = useSession();
  const [open, setOpen] = useState(false);
  const [text, setText] = useState('');
  const narrow = (department: string | undefined) => {
    fleet.narrow(department);
    setOpen(false);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    narrow(text.trim() || undefined);
  };
  return (
    <Popover.Root open={open} onOpenChange={(wanted) => { setOpen(wanted); setText(fleet.department ?? ''); }}>
      <Popover.Trigger asChild>
        <button
          type="button" className={css.filter} data-on={fleet.department !== undefined || undefined}
          aria-label={fleet.department === undefined ? 'Department: all' : `Department: ${fleet.department}`}
        >
          <ListFilter size={15} aria-hidden />
          <bdi>{fleet.department}</bdi>
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={css.popover} align="end" sideOffset={6} collisionPadding={8} aria-label="Department">
          <form onSubmit={submit}>
            <TextField
              label="Department" value={text} list="departments" autoComplete="off" placeholder="all"
              help={claims.departments.length > 0 ? `Yours: ${claims.departments.join(', ')}` : 'Shows the agents of one department only.'}
              onChange={(event) => setText(event.target.value)}
            />
            <datalist id="departments">{claims.departments.map((name) => <option key={name} value={name} />)}</datalist>
            <div className={css.popoverButtons}>
              <Button kind="quiet" disabled={fleet.department === undefined} onClick={() => narrow(undefined)}>Show all</Button>
              <Button kind="primary" type="submit">Apply</Button>
            </div>
          </form>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

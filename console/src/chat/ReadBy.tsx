import { useEffect, useState, type ReactNode } from 'react';
import { Popover } from 'radix-ui';
import type { MemberMark } from 'fanfare-client';
import { Name } from '../lib/Bidi';
import { useSession } from '../session/context';
import { useChat } from './hooks';
import { readBy, receipts, type Receipts } from './receipts';
import css from './chat.module.css';

interface Props {
  conversation: string;
  seq: number;
  children: ReactNode;
}

/** A group's receipt: pressed, it says who has read the message, and who has it. Asked for only then. */
export function ReadBy({ conversation, seq, children }: Props) {
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <button type="button" className={css.readBy} title="Who has read this">{children}</button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className={css.readers} side="top" align="end" sideOffset={6} collisionPadding={8} aria-label="Who has read this">
          <Readers conversation={conversation} seq={seq} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Readers({ conversation, seq }: { conversation: string; seq: number }) {
  const { client, who } = useSession();
  const { conversations } = useChat();
  const [marks, setMarks] = useState<readonly MemberMark[]>();
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let gone = false;
    const ask = () => client.request('message:history', { conversation_id: conversation, limit: 1 })
      .then((answer) => { if (!gone) { setMarks(answer.marks); setFailed(false); } }, () => { if (!gone) setFailed(true); });
    void ask();
    const moved = ({ conversation_id: id }: { conversation_id: string }) => { if (id === conversation) void ask(); };
    const offs = [client.on('message:read', moved), client.on('message:delivered', moved)];
    return () => {
      gone = true;
      for (const off of offs) off();
    };
  }, [client, conversation]);
  if (failed && !marks) return <p role="status">It could not be read now.</p>;
  if (!marks) return <p role="status">Reading …</p>;
  const { read, delivered }: Receipts = receipts(marks, seq, who?.userId);
  const members = conversations.find(({ id }) => id === conversation)?.memberCount ?? 0;
  return (
    <>
      <h3>Read by {readBy(read.length, marks.length, members)}</h3>
      {read.length > 0 && <ul>{read.map((user) => <li key={user}><Name id={user} /></li>)}</ul>}
      {delivered.length > 0 && (
        <>
          <h3>Delivered to {delivered.length}</h3>
          <ul>{delivered.map((user) => <li key={user}><Name id={user} /></li>)}</ul>
        </>
      )}
    </>
  );
}

import { memo, useMemo, useState } from 'react';
import { Check, CheckCheck, CircleAlert, Clock } from 'lucide-react';
import { clock } from '../lib/format';
import type { Message } from './hooks';
import { emojiOnly, parts } from './text';
import css from './chat.module.css';

/** Characters of a long text that show before one asks for the rest. */
const LONG = 1200;

interface Props {
  message: Message;
  members: ReadonlySet<string>;
  /** The last of those that stand together carries the time. */
  last: boolean;
  onRetry: (key: string) => void;
}

export const Bubble = memo(function Bubble({ message, members, last, onRetry }: Props) {
  const { text, mine, status, at, error } = message;
  const [whole, setWhole] = useState(false);
  const cut = !whole && text.length > LONG + 200;
  const shown = cut ? `${text.slice(0, LONG)} …` : text;
  const found = useMemo(() => parts(shown, members), [shown, members]);
  return (
    <div className={css.bubbleRow} data-status={status} data-key={message.key}>
      <div className={css.bubble} data-emoji={emojiOnly(text) || undefined}>
        {found.map(({ kind, text: part }, i) =>
          kind === 'text' ? part : kind === 'link'
            ? <a key={i} href={part} target="_blank" rel="noreferrer noopener">{part}</a>
            : <mark key={i}>{part}</mark>)}
        {cut && <button type="button" className={css.rest} onClick={() => setWhole(true)}>Show all</button>}
      </div>
      {(last || status === 'failed' || status === 'sending') && (
        <p className={css.meta}>
          <time className="num">{clock(at)}</time>
          {mine && <Status status={status} />}
          {status === 'failed' && (
            <>
              <span>{error?.message ?? 'it was refused'}</span>
              <button type="button" onClick={() => onRetry(message.key)}>Send again</button>
            </>
          )}
        </p>
      )}
    </div>
  );
});

const WORDS: Record<Message['status'], string> = {
  sending: 'Sending', sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Not sent',
};

function Status({ status }: { status: Message['status'] }) {
  const Icon = { sending: Clock, sent: Check, delivered: CheckCheck, read: CheckCheck, failed: CircleAlert }[status];
  return (
    <span className={css.receipt} data-status={status} title={WORDS[status]}>
      <Icon size={14} aria-hidden />
      <span className={status === 'sending' || status === 'failed' ? undefined : 'sr'}>{WORDS[status]}</span>
    </span>
  );
}

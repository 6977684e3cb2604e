import { useState, type FormEvent } from 'react';
import { KeyRound, TriangleAlert } from 'lucide-react';
import { Button } from '../ui/Button';
import { TextArea } from '../ui/Field';
import { Mark } from '../ui/Mark';
import { claims, clean } from './token';
import css from './session.module.css';

interface Props {
  problem: string | undefined;
  onToken: (token: string) => void;
}

export function SignIn({ problem, onToken }: Props) {
  return (
    <main className={css.door}>
      <div className={css.card}>
        <header className={css.brand}>
          <Mark size={36} />
          <div>
            <h1>Fanfare console</h1>
            <p>{location.host}</p>
          </div>
        </header>
        {problem && (
          <p role="alert" className={css.problem}>
            <TriangleAlert size={16} aria-hidden />
            <span>{problem} Paste a new one to go on.</span>
          </p>
        )}
        <TokenForm label="Access token" action="Sign in" onToken={onToken} />
        <p className={css.hint}>
          In development the server prints an address that signs you in: open it, or paste it here. It looks like{' '}
          <code className="mono">/#token=eyJ…</code>
        </p>
      </div>
    </main>
  );
}

export function TokenForm({ label, action, onToken }: { label: string; action: string; onToken: (token: string) => string | void }) {
  const [text, setText] = useState('');
  const [error, setError] = useState<string>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const token = clean(text);
    const said = claims(token);
    if (!said) return setError('This is no token. It has three parts with dots between them and begins with “eyJ”.');
    if (said.expires !== undefined && said.expires < Date.now()) return setError('This token has expired already.');
    setError(onToken(token) ?? undefined);
  };
  return (
    <form className={css.form} onSubmit={submit}>
      <TextArea
        label={label} value={text} error={error} rows={4} spellCheck={false} autoComplete="off" autoFocus className={css.token}
        placeholder="eyJhbGciOi…"
        onChange={(event) => { setText(event.target.value); setError(undefined); }}
        onKeyDown={(event) => { if (event.key === 'Enter' && !event.shiftKey) submit(event); }}
      />
      <Button kind="primary" type="submit" icon={<KeyRound size={15} />} disabled={text.trim() === ''}>{action}</Button>
    </form>
  );
}
